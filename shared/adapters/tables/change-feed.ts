import { odata } from '@azure/data-tables'
import { encodeTime, ulid } from 'ulid'
import * as z from 'zod'
import type { StoreInstant } from '../../domain/limits/time-interval.ts'
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
  /** Absent otherwise; a version that does not know it takes the change for a revocation. */
  erased: z.literal(true).optional(),
})

const HOUR_MS = 60 * 60 * 1000
const TIME_CHARS = 10
/** How far a position may be from the store's time of the write. */
const APART_MS_MAX = 1000

/** The feed in the table `revocations`: one partition per hour of the store's clock, rows by ULID. */
export function tableChangeFeed(tables: TableAccess): ChangeFeed {
  const table = tables.table('revocations')
  /** How far the store's clock is ahead of this machine's, as of the last write that showed it. */
  let aheadMs = 0

  function fromRow(row: StoredRow): FedChange {
    const { kind, digest, keyId, providerId, revocation, erased } = decodeRow(table.name, shape, row)
    const ofKey = { digest, keyId, providerId, revocation, ...(erased && { erased }) }
    const change: Change = kind === 'provider' ? { kind, providerId } : { kind, ...ofKey }
    return { id: row.rowKey, change }
  }

  return {
    async append(change, at) {
      const about = change.kind === 'key' ? change : { ...change, digest: '', keyId: '', revocation: null }
      const properties = encodeRow(table.name, shape, {
        ...about,
        change: about.revocation === null ? 'changed' : 'revoked',
      })
      const writeAt = (ms: number) =>
        table.put({ partitionKey: hourOf(ms), rowKey: ulid(ms), ...properties }, undefined)
      const positionMs = at.getTime() + aheadMs
      const written = await writeAt(positionMs)
      const storeTime = written.kind === 'written' ? written.at : undefined
      // Where the store shows no time, the writer's clock has to do.
      if (storeTime === undefined || isNear(positionMs, storeTime)) return
      aheadMs = storeTime.fromMs - at.getTime()
      await writeAt(storeTime.fromMs)
    },
    async read(from, until) {
      const first = encodeTime(Math.max(0, from.getTime()), TIME_CHARS)
      const changes: FedChange[] = []
      let at: StoreInstant | undefined
      const onAnswer = (answeredAt: StoreInstant) => {
        at ??= answeredAt
      }
      for (const hour of hoursBetween(from.getTime(), until.getTime())) {
        for await (const row of table.scan(odata`PartitionKey eq ${hour} and RowKey ge ${first}`, onAnswer))
          changes.push(fromRow(row))
      }
      return { changes, at }
    },
  }
}

function isNear(ms: number, { fromMs, toMs }: StoreInstant): boolean {
  return ms >= fromMs - APART_MS_MAX && ms <= toMs + APART_MS_MAX
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
