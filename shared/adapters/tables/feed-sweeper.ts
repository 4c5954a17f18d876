import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import type { Sweeper } from '../../ports/store.ts'
import { hourOf } from './change-feed.ts'
import type { TableAccess } from './table-access.ts'

const PAGE = 500
const AT_ONCE = 16
const KEPT_MS = 24 * 60 * 60 * 1000

/** Removes what the feed of changes told a day ago: nobody looks back further than a quarter of an hour. */
export function feedSweeper(tables: TableAccess): Sweeper {
  const table = tables.table('revocations')
  return {
    async step(now, after) {
      const filter = odata`PartitionKey lt ${hourOf(now.getTime() - KEPT_MS)}`
      const { items, next } = await table.page({ filter, limit: PAGE, after })
      const results = await pLimit(AT_ONCE).map(items, (row) => table.remove(row.partitionKey, row.rowKey, row.etag))
      return { looked: items.length, removed: results.filter((result) => result === 'removed').length, next }
    },
  }
}
