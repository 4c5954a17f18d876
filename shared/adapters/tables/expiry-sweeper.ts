import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import type { Sweeper } from '../../ports/store.ts'
import type { TableAccess } from './table-access.ts'

const PAGE = 500
const AT_ONCE = 16

/** Removes the rows of a table whose `expiresAt` has passed. */
export function expirySweeper(tables: TableAccess, name: 'idempotency' | 'limits'): Sweeper {
  const table = tables.table(name)
  return {
    async step(now, after) {
      const filter = odata`expiresAt lt ${now.toISOString()}`
      const { items, next } = await table.page({ filter, limit: PAGE, after })
      const results = await pLimit(AT_ONCE).map(items, (row) => table.remove(row.partitionKey, row.rowKey, row.etag))
      return { looked: items.length, removed: results.filter((result) => result === 'removed').length, next }
    },
  }
}
