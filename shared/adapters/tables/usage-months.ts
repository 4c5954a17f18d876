import type { UsageMonths } from '../../ports/usage.ts'
import type { TableAccess } from './table-access.ts'

/** The tables `usageYYYYMM`. */
export function tableUsageMonths(tables: TableAccess): UsageMonths {
  return {
    exists: (month) => tables.table(`usage${month}`).exists(),
    drop: (month) => tables.table(`usage${month}`).drop(),
  }
}
