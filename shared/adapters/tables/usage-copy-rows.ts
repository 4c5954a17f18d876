import { z } from 'zod'
import type { PseudonymOf } from '../../domain/keys/erasure.ts'
import { withoutAddress } from '../../domain/usage/erasure.ts'
import type { ProviderDay } from '../../domain/usage/provider-totals.ts'
import type { DayCounters } from '../../domain/usage/usage.ts'
import type { ScannedCounters } from '../../ports/usage.ts'
import { decodeRow, encodeRow, int64, nullableName, type Row, type StoredRow } from './table-row.ts'
import { counts, fromHours, fromRevokedUse, toHours, toRevokedUse } from './usage-rows.ts'

const sums = {
  day: z.string().regex(/^\d{8}$/),
  total: int64,
  outcomes: counts,
  statusClasses: counts,
  endpoints: counts,
  lastUsedAt: z.string(),
}

const keyDayShape = z.object({
  ...sums,
  keyId: z.string(),
  ownerId: nullableName,
  environment: z.enum(['test', 'live']),
  version: int64,
})

const totalsShape = z.object({
  ...sums,
  versions: z.codec(z.string(), z.array(z.int()), {
    decode: (text) => text.split(',').map(Number),
    encode: (versions) => versions.join(','),
  }),
})

/** `<key id>|<yyyymmdd>`: one UTC day of a key. Omits the hash of its last address: a provider may get access to this table. */
export function toKeyDayRow(table: string, copy: ScannedCounters): Row {
  const properties = encodeRow(table, keyDayShape, {
    ...sumsOf(copy),
    keyId: copy.keyId,
    ownerId: copy.ownerId,
    environment: copy.environment,
    version: copy.version,
  })
  return {
    partitionKey: copy.providerId,
    rowKey: keyDayRowKey(copy.keyId, copy.day),
    ...properties,
    ...toHours('h', copy.hours),
    ...toHours('dn', copy.deniedHours),
    ...toRevokedUse(copy.lastRevokedUse),
  }
}

export function fromKeyDayRow(table: string, row: StoredRow): DayCounters {
  const { version: _, ...counters } = decodeRow(table, keyDayShape, row)
  return {
    ...counters,
    providerId: row.partitionKey,
    hours: fromHours('h', row),
    deniedHours: fromHours('dn', row),
    lastIpHash: null,
    lastRevokedUse: fromRevokedUse(table, row),
  }
}

/** The properties of a key's day without its owner and its addresses; undefined where they have neither. */
export function toErasedRow(
  table: string,
  row: StoredRow,
  pseudonymOf: PseudonymOf,
): Record<string, string> | undefined {
  const before = fromKeyDayRow(table, row)
  const ownerId = pseudonymOf(before.ownerId)
  if (ownerId === before.ownerId && (before.lastRevokedUse?.clientIp ?? null) === null) return undefined
  return { ownerId: ownerId ?? '', ...toRevokedUse(withoutAddress(before.lastRevokedUse)) }
}

/** The version of the counters that a row copies. */
export function versionOfRow(table: string, row: StoredRow): number {
  return decodeRow(table, keyDayShape.pick({ version: true }), row).version
}

/** `*|<yyyymmdd>`: one UTC day of all keys of a provider. */
export function toTotalsRow(table: string, totals: ProviderDay): Row {
  return {
    partitionKey: totals.providerId,
    rowKey: keyDayRowKey('*', totals.day),
    ...encodeRow(table, totalsShape, { ...sumsOf(totals), versions: [...totals.versions] }),
    ...toHours('h', totals.hours),
    ...toHours('dn', totals.deniedHours),
  }
}

export function fromTotalsRow(table: string, row: StoredRow): ProviderDay {
  return {
    ...decodeRow(table, totalsShape, row),
    providerId: row.partitionKey,
    hours: fromHours('h', row),
    deniedHours: fromHours('dn', row),
  }
}

export function keyDayRowKey(keyId: string, day: string): string {
  return `${keyId}|${day}`
}

function sumsOf({ day, total, outcomes, statusClasses, endpoints, lastUsedAt }: DayCounters | ProviderDay) {
  return { day, total, outcomes, statusClasses, endpoints, lastUsedAt }
}
