import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import * as z from 'zod'
import type { Sweeper } from '../../ports/store.ts'
import { keyRows } from './key-rows.ts'
import type { TableAccess } from './table-access.ts'
import { decodeRow, type StoredRow } from './table-row.ts'

const PAGE = 500
const AT_ONCE = 16
const MINUTE_MS = 60_000
/** A create is over long before. */
const YOUNGEST_MS = 10 * MINUTE_MS
/** A daily sweep sees every pointer several times; older ones have been seen. */
const OLDEST_MS = 7 * 24 * 60 * MINUTE_MS

const pointer = z.object({ digest: z.string() })

/**
 * Removes pointers to keys that never came to be, 10 minutes to 7 days after they were written. The digest is barred
 * first, so a create that comes back even later makes no key without pointers: it is refused.
 */
export function pointerSweeper(tables: TableAccess, tableName: 'keyids' | 'keysbyprovider'): Sweeper {
  const table = tables.table(tableName)
  const keys = keyRows(tables.table('keys'))

  async function removeIfDangling(row: StoredRow): Promise<boolean> {
    const { digest } = decodeRow(table.name, pointer, row)
    if ((await keys.find(digest)) !== undefined || (await keys.bar(digest)) === 'taken') return false
    return (await table.remove(row.partitionKey, row.rowKey, row.etag)) === 'removed'
  }

  return {
    async step(now, after) {
      const ago = (ms: number) => new Date(now.getTime() - ms)
      const filter = odata`Timestamp ge ${ago(OLDEST_MS)} and Timestamp lt ${ago(YOUNGEST_MS)}`
      const { items, next } = await table.page({ filter, limit: PAGE, after })
      const removed = await pLimit(AT_ONCE).map(items, removeIfDangling)
      return { looked: items.length, removed: removed.filter(Boolean).length, next }
    },
  }
}
