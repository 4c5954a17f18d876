import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import * as z from 'zod'
import { firstDayKept } from '../../domain/usage/calendar.ts'
import type { Sweeper } from '../../ports/store.ts'
import { rowSweeper } from './sweepers.ts'
import type { Table } from './table.ts'
import type { TableAccess } from './table-access.ts'
import { decodeRow, type StoredRow } from './table-row.ts'

const DAY_MS = 24 * 60 * 60_000
/** A batch that comes for a month that was dropped is kept for so long after it came. */
const LATE_KEPT_MS = 35 * DAY_MS
const PAGE = 100
const CONCURRENCY = 8

/** Removes the days of reports from before the retention. The last use of a key stays. */
export function reportSweeper(tables: TableAccess, retentionMonths: number): Sweeper {
  return rowSweeper(tables.table('usagebyprovider'), (now) => odata`day lt ${firstDayKept(now, retentionMonths)}`)
}

/** Removes late batches for days from before the retention, 35 days after they came at the earliest. */
export function lateSweeper(tables: TableAccess, retentionMonths: number): Sweeper {
  return rowSweeper(tables.table('usagelate'), (now) => {
    const came = new Date(now.getTime() - LATE_KEPT_MS)
    return odata`PartitionKey lt ${firstDayKept(now, retentionMonths)} and Timestamp lt ${came}`
  })
}

const journaled = z.object({ providerId: z.string(), batchId: z.string() })

/**
 * Removes the pushed batches that the journal has from before the retention, each with all its rows: the record first,
 * at its ETag, and the entry of the journal last, so that a sweep that is cut is finished by the next.
 */
export function pushSweeper(tables: TableAccess, retentionMonths: number): Sweeper {
  const table = tables.table('usagebatches')
  return {
    async step(now, after) {
      const end = `*|${firstDayKept(now, retentionMonths)}00`
      const filter = odata`PartitionKey ge ${'*|'} and PartitionKey lt ${end}`
      const { items, next } = await table.page({ filter, limit: PAGE, after })
      const removed = await pLimit(CONCURRENCY).map(items, (entry) => removePush(table, entry))
      return { looked: items.length, removed: removed.filter(Boolean).length, next }
    },
  }
}

async function removePush(table: Table, entry: StoredRow): Promise<boolean> {
  const { providerId, batchId } = decodeRow(table.name, journaled, entry)
  const partitionKey = `${providerId}|${batchId}`
  const rows = await Array.fromAsync(table.scan(odata`PartitionKey eq ${partitionKey}`))
  const record = rows.find(({ rowKey }) => rowKey === 'batch')
  if (!isLater(record, entry)) {
    if (record !== undefined && (await table.remove(partitionKey, 'batch', record.etag)) === 'stale') return false
    const others = rows.filter((row) => row !== record)
    await pLimit(CONCURRENCY).map(others, ({ rowKey, etag }) => table.remove(partitionKey, rowKey, etag))
  }
  return (await table.remove(entry.partitionKey, entry.rowKey, entry.etag)) === 'removed'
}

/** Whether the batch was accepted, or begun again, in a later hour than the journal's: that hour has an entry too. */
function isLater(record: StoredRow | undefined, { partitionKey }: StoredRow): boolean {
  const at = record?.acceptedAt ?? record?.startedAt
  if (typeof at !== 'string') return false
  return `*|${at.slice(0, 13).replaceAll(/[-T]/g, '')}` > partitionKey
}
