import { dayName } from '../../domain/usage/calendar.ts'
import type { IdempotencyStore } from '../../ports/idempotency.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { Sweeper } from '../../ports/store.ts'
import { dailyIdempotencyStore } from './daily-idempotency-store.ts'
import { tableIdempotencyStore } from './idempotency-store.ts'
import type { TableAccess } from './table-access.ts'

/** Much longer than the records of a day are needed after its end. */
const NEEDED_MS = 60 * 60_000
/** How far back a sweep looks for tables that earlier sweeps missed. */
const DAYS_BACK = 35

const tableName = (day: string) => `verdicts${day}`

/** The Idempotency-Keys of validations: one table per day, `verdictsYYYYMMDD`. */
export function tableVerdictStore(tables: TableAccess, clock: Pick<Clock, 'now'>): IdempotencyStore {
  return dailyIdempotencyStore((day) => tableIdempotencyStore(tables, tableName(day)), clock)
}

/**
 * Drops the tables of earlier days, whatever the number of their rows, one table in a step. Makes the table of the next
 * day first: making a table may take seconds, and validations wait for it.
 */
export function verdictSweeper(tables: TableAccess): Sweeper {
  return {
    async step(now, after) {
      if (after === null) await tables.table(tableName(dayName(now, -1))).ensure()
      const daysAgo = Number(after ?? 1)
      const table = tables.table(tableName(dayName(new Date(now.getTime() - NEEDED_MS), daysAgo)))
      const found = await table.exists()
      if (found) await table.drop()
      const next = daysAgo < DAYS_BACK ? String(daysAgo + 1) : null
      return { looked: Number(found), removed: Number(found), next }
    },
  }
}
