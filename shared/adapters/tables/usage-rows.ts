import { z } from 'zod'
import type { RevokedUse } from '../../domain/usage/usage.ts'
import { decodeRow, json, type StoredRow } from './table-row.ts'

/** Counts by name as a JSON object. Parsed as pairs: a name may be anything, `__proto__` too. */
export const counts = z.codec(z.string(), z.custom<Readonly<Record<string, number>>>(), {
  decode: (text, context) => {
    const pairs = z.array(z.tuple([z.string(), z.int()])).safeParse(Object.entries(JSON.parse(text)))
    if (pairs.success) return Object.fromEntries(pairs.data)
    context.issues.push({ code: 'custom', input: text })
    return z.NEVER
  },
  encode: (record) => JSON.stringify(record),
})

const revokedUseShape = z.object({
  lastRevokedUse: json(
    z.strictObject({ at: z.string(), endpoint: z.string(), clientIp: z.string().nullable() }),
  ).optional(),
})

/** A day without a use of a revoked key, which is nearly every day, has no property for it. */
export function toRevokedUse(use: RevokedUse | null): Record<string, string> {
  return use === null ? {} : { lastRevokedUse: JSON.stringify(use) }
}

export function fromRevokedUse(table: string, row: StoredRow): RevokedUse | null {
  return decodeRow(table, revokedUseShape, row).lastRevokedUse ?? null
}

const hourNames = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0'))

/** Hours without a use have no property: most rows are small, and many of them are read at once. */
export function toHours(prefix: string, hours: readonly number[]): Record<string, bigint> {
  return Object.fromEntries(
    hourNames.flatMap((name, hour) => (hours[hour] ? [[`${prefix}${name}`, BigInt(hours[hour])]] : [])),
  )
}

export function fromHours(prefix: string, row: StoredRow): readonly number[] {
  return hourNames.map((name) => Number(row[`${prefix}${name}`] ?? 0n))
}
