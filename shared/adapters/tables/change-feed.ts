import { odata } from '@azure/data-tables'
import { encodeTime, ulid } from 'ulid'
import * as z from 'zod'
import type { Change, ChangeFeed, FedChange } from '../../ports/keys.ts'
import { revocationText } from './key-rows.ts'
import type { TableAccess } from './table-access.ts'
import { decodeRow, encodeRow, type StoredRow } from './table-row.ts'

const shape = z.object({
  kind: z.enum(['key', 'provider']),
  /** Empty for a provider, as is `keyId`. */
  digest: z.string(),
  keyId: z.string(),
  providerId: z.string(),
  change: z.enum(['revoked', 'changed']),
  revocation: revocationText,
})

const HOUR_MS = 60 * 60 * 1000
const TIME_CHARS = 10

/** The feed in the table `revocations`: one partition per hour of the writers' clocks, rows by ULID. */
export function tableChangeFeed(tables: TableAccess): ChangeFeed {
  const table = tables.table('revocations')

  function fromRow(row: StoredRow): FedChange {
    const { kind, digest, keyId, providerId, revocation } = decodeRow(table.name, shape, row)
    const change: Change = kind === 'provider' ? { kind, providerId } : { kind, digest, keyId, providerId, revocation }
    return { id: row.rowKey, change }
  }

  return {
    async append(change, at) {
      const about = change.kind === 'key' ? change : { ...change, digest: '', keyId: '', revocation: null }
      const properties = encodeRow(table.name, shape, {
        ...about,
        change: about.revocation === null ? 'changed' : 'revoked',
      })
      await table.upsert({ partitionKey: hourOf(at.getTime()), rowKey: ulid(at.getTime()), ...properties })
    },
    async read(from, until) {
      const first = encodeTime(from.getTime(), TIME_CHARS)
      const found: FedChange[] = []
      for (const hour of hoursBetween(from.getTime(), until.getTime())) {
        for await (const row of table.scan(odata`PartitionKey eq ${hour} and RowKey ge ${first}`))
          found.push(fromRow(row))
      }
      return found
    },
  }
}

/** `2026-11-22T16`, the partition of an hour of UTC. */
export function hourOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 13)
}

function hoursBetween(fromMs: number, untilMs: number): readonly string[] {
  const first = Math.floor(fromMs / HOUR_MS)
  const count = Math.floor(untilMs / HOUR_MS) - first + 1
  return Array.from({ length: Math.max(count, 1) }, (_, index) => hourOf((first + index) * HOUR_MS))
}
