import * as z from 'zod'
import type { Key } from '../../domain/keys/key.ts'
import type { Versioned } from '../../ports/store.ts'
import { rateLimitsText } from './rate-limits-column.ts'
import type { Table } from './table.ts'
import { date, decodeRow, encodeRow, json, nullableDate, nullableName, type StoredRow } from './table-row.ts'

/** A revocation, or null, as one property of a row. */
export const revocationText = json(
  z
    .object({
      at: date,
      by: z.string(),
      reason: z.enum(['unspecified', 'compromised', 'superseded', 'owner_request', 'policy', 'rotated']),
      text: z.string().nullable(),
    })
    .nullable(),
)

/** All of a key but its digest, which is the row's key. */
export const keyShape = z.object({
  keyId: z.string(),
  pepperVersion: z.string(),
  hint: z.string(),
  providerId: z.string(),
  kind: z.enum(['api', 'management']),
  environment: json(z.enum(['test', 'live']).nullable()),
  name: z.string(),
  description: json(z.string().nullable()),
  ownerId: json(z.string().nullable()),
  scopes: json(z.array(z.string()).readonly()),
  ipRestrictions: json(z.array(z.string()).readonly()),
  notBefore: nullableDate,
  expiresAt: nullableDate,
  rateLimits: rateLimitsText,
  quota: json(z.object({ limit: z.int(), period: z.enum(['day', 'month']) }).nullable()),
  // Not z.record: the caller's object is returned unchanged, whatever the names of its fields.
  metadata: json(z.custom<Key['metadata']>((value) => typeof value === 'object' && !Array.isArray(value))),
  enabled: z.boolean(),
  createdAt: date,
  createdBy: z.string(),
  updatedAt: date,
  revocation: revocationText,
  rotatedFrom: nullableName,
  replacedBy: nullableName,
  graceUntil: nullableDate,
})

/** The rows of the table `keys`, the authoritative ones. */
export interface KeyRows {
  find(digest: string): Promise<Versioned<Key> | undefined>
  create(key: Key): Promise<'created' | 'exists'>
  replace(key: Key, version: string): Promise<'replaced' | 'stale'>
  /**
   * Writes a tombstone: no key ever appears under this digest, however late a writer that crashed or stalled before its
   * commit resumes. `taken`: a key has the digest.
   */
  bar(digest: string): Promise<'barred' | 'taken'>
}

export function keyRows(table: Table): KeyRows {
  async function find(digest: string): Promise<Versioned<Key> | undefined> {
    const row = await table.get(digest.slice(0, 2), digest)
    if (row === undefined || isTombstone(row)) return undefined
    return { value: { ...decodeRow(table.name, keyShape, row), digest }, version: row.etag }
  }
  const toRow = (key: Key) => ({ ...address(key.digest), ...encodeRow(table.name, keyShape, key) })

  return {
    find,
    create: (key) => table.create(toRow(key)),
    replace: (key, version) => table.replace(toRow(key), version),
    async bar(digest) {
      if ((await table.create({ ...address(digest), barred: true })) === 'created') return 'barred'
      return (await find(digest)) === undefined ? 'barred' : 'taken'
    },
  }
}

function address(digest: string) {
  return { partitionKey: digest.slice(0, 2), rowKey: digest }
}

function isTombstone(row: StoredRow): boolean {
  return row.barred === true
}
