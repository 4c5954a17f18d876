import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import * as z from 'zod'
import type { Sweeper } from '../../ports/store.ts'
import { hourOf } from './change-feed.ts'
import { keyRows } from './key-rows.ts'
import type { Table } from './table.ts'
import type { TableAccess } from './table-access.ts'
import { decodeRow, type StoredRow } from './table-row.ts'

const PAGE = 500
const CONCURRENCY = 16
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const FEED_RETENTION_MS = DAY_MS
/** A create has ended long before. */
const POINTER_AGE_MIN_MS = 10 * MINUTE_MS
/** A daily sweep sees every pointer several times before this age. */
const POINTER_AGE_MAX_MS = 7 * DAY_MS

const pointer = z.object({ digest: z.string() })

/** Removes the rows of a table whose `expiresAt` has passed. */
type ExpiringTable = 'idempotency' | 'limits' | 'usageboots' | 'usageeventids'

export function expirySweeper(tables: TableAccess, name: ExpiringTable): Sweeper {
  return rowSweeper(tables.table(name), (now) => odata`expiresAt lt ${now.toISOString()}`)
}

/** Removes the entries of the change feed after a day: no reader looks back further than a quarter of an hour. */
export function feedSweeper(tables: TableAccess): Sweeper {
  return rowSweeper(
    tables.table('revocations'),
    (now) => odata`PartitionKey lt ${hourOf(now.getTime() - FEED_RETENTION_MS)}`,
  )
}

/**
 * Removes dangling pointers, whose key was never created, 10 minutes to 7 days after they were written. Writes a tombstone
 * for the digest first: a create that resumes even later is refused, instead of making a key without pointers.
 */
export function pointerSweeper(tables: TableAccess, tableName: 'keyids' | 'keysbyprovider'): Sweeper {
  const table = tables.table(tableName)
  const keys = keyRows(tables.table('keys'))
  const filterAt = (now: Date) => {
    const ago = (ms: number) => new Date(now.getTime() - ms)
    return odata`Timestamp ge ${ago(POINTER_AGE_MAX_MS)} and Timestamp lt ${ago(POINTER_AGE_MIN_MS)}`
  }
  return rowSweeper(table, filterAt, async (row) => {
    const { digest } = decodeRow(table.name, pointer, row)
    return (await keys.find(digest)) === undefined && (await keys.bar(digest)) === 'barred'
  })
}

/** Removes the rows that match the filter and are `removable`, unless another writer changed them since they were read. */
export function rowSweeper(
  table: Table,
  filterAt: (now: Date) => string,
  removable: (row: StoredRow) => Promise<boolean> = async () => true,
): Sweeper {
  async function remove(row: StoredRow): Promise<boolean> {
    if (!(await removable(row))) return false
    return (await table.remove(row.partitionKey, row.rowKey, row.etag)) === 'removed'
  }

  return {
    async step(now, after) {
      const { items, next } = await table.page({ filter: filterAt(now), limit: PAGE, after })
      const removed = await pLimit(CONCURRENCY).map(items, remove)
      return { looked: items.length, removed: removed.filter(Boolean).length, next }
    },
  }
}
