import { createHash, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type Limit, recordName } from '../../domain/limits/limit.ts'
import type { LimitStore, StoredLimit } from '../../ports/limits.ts'
import { unavailable } from '../guard/sdk-errors.ts'
import { fromRecord, ring, toRecord } from './limit-ring.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, json, type StoredRow } from './table-row.ts'

const SHARDS = 16
const CLOCK_PARTITION = '_clock'
const CLOCK_TTL_MS = 24 * 60 * 60_000

const shape = z.object({ ring: json(ring), expiresAt: date })
const clockShape = z.object({ expiresAt: date })

/** Limits in the table `limits`, one row each, spread over partitions by the subject. */
export function tableLimitStore(tables: TableAccess): LimitStore {
  const table = tables.table('limits')
  const clockRow = randomUUID()
  let clockEtag: string | undefined

  const toStored = (row: StoredRow): StoredLimit => ({
    record: toRecord(decodeRow(table.name, shape, row).ring),
    version: row.etag,
  })

  return {
    async read(limit) {
      const row = await table.get(partitionOf(limit), rowKeyOf(limit))
      return row && toStored(row)
    },
    async write(limit, record, version, expiresAt) {
      const properties = encodeRow(table.name, shape, { ring: fromRecord(record), expiresAt })
      const row = { partitionKey: partitionOf(limit), rowKey: rowKeyOf(limit), ...properties }
      const result = await table.put(row, version)
      if (result.kind === 'written') return { kind: 'written', version: result.etag, at: result.at }
      return { kind: 'stale', found: result.found && toStored(result.found) }
    },
    async tellTime() {
      const expiresAt = new Date(Date.now() + CLOCK_TTL_MS)
      const row = {
        partitionKey: CLOCK_PARTITION,
        rowKey: clockRow,
        ...encodeRow(table.name, clockShape, { expiresAt }),
      }
      // The sweep may have removed the row since.
      const replaced = clockEtag === undefined ? undefined : await table.put(row, clockEtag)
      const result = replaced?.kind === 'written' ? replaced : await table.put(row, replaced?.found?.etag)
      clockEtag = result.kind === 'written' ? result.etag : undefined
      if (result.kind === 'written' && result.at !== undefined) return result.at
      throw unavailable(new Error(`Table ${table.name} does not tell the time.`))
    },
  }
}

/** Two hex digits, `00` to `0f`. */
function partitionOf({ subject }: Limit): string {
  const [first = 0] = createHash('sha256').update(subject).digest()
  return (first % SHARDS).toString(16).padStart(2, '0')
}

/** Without the window: a limit that is edited keeps its record. */
function rowKeyOf(limit: Limit): string {
  return `${limit.subject}|${recordName(limit)}`
}
