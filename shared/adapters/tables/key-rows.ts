import * as z from 'zod'
import type { Key } from '../../domain/keys/key.ts'
import type { Versioned } from '../../ports/store.ts'
import { lineageText, noLineage, rateLimitsText } from './rate-limits-column.ts'
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
  alias: z.string().optional(),
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
  lineage: lineageText,
  erasedAt: date.optional(),
})

/** The rows of the table `keys`, the authoritative ones. */
export interface KeyRows {
  find(digest: string): Promise<Versioned<Key> | undefined>
  /** Finds a key by its digest or its alias. */
  resolve(digestOrAlias: string): Promise<Versioned<Key> | undefined>
  /** `taken`: a key, or another alias, is there. */
  addAlias(digest: string, alias: string): Promise<'added' | 'taken'>
  create(key: Key): Promise<'created' | 'exists'>
  replace(key: Key, version: string): Promise<'replaced' | 'stale'>
  /**
   * Writes a tombstone: no key ever appears under this digest, however late a writer that crashed or stalled before its
   * commit resumes. `taken`: a key has the digest.
   */
  bar(digest: string): Promise<'barred' | 'taken'>
}

export function keyRows(table: Table): KeyRows {
  const get = (digest: string) => table.get(digest.slice(0, 2), digest)
  const toKey = (row: StoredRow | undefined, digest: string): Versioned<Key> | undefined =>
    row === undefined || !isKeyRow(row)
      ? undefined
      : { value: { ...decodeRow(table.name, keyShape, { ...noLineage, ...row }), digest }, version: row.etag }
  const find = async (digest: string) => toKey(await get(digest), digest)
  const toRow = (key: Key) => ({ ...address(key.digest), ...encodeRow(table.name, keyShape, key) })

  return {
    find,
    async resolve(digestOrAlias) {
      const row = await get(digestOrAlias)
      const target = row && targetOf(row)
      return target === undefined ? toKey(row, digestOrAlias) : find(target)
    },
    async addAlias(digest, alias) {
      if ((await table.create({ ...address(alias), aliasOf: digest })) === 'created') return 'added'
      const row = await get(alias)
      return row && targetOf(row) === digest ? 'added' : 'taken'
    },
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

/** The digest that an alias points to; undefined for every other row. */
function targetOf({ aliasOf }: StoredRow): string | undefined {
  return typeof aliasOf === 'string' ? aliasOf : undefined
}

/** Whether a row of the table is a key: neither a tombstone nor an alias. */
export function isKeyRow(row: StoredRow): boolean {
  return !isTombstone(row) && targetOf(row) === undefined
}

function isTombstone(row: StoredRow): boolean {
  return row.barred === true
}
