import type { Key } from '../../domain/keys/key.ts'
import { keyShape } from '../tables/key-rows.ts'
import { noLineage } from '../tables/rate-limits-column.ts'
import { decodeRow, encodeRow, type StoredRow } from '../tables/table-row.ts'

const PLACE = 'on the local disk'

/** A key as JSON, for the local disk. Like the key itself it holds no secret. */
export function keyToText(key: Key): string {
  return JSON.stringify({ ...encodeRow(PLACE, keyShape, key), digest: key.digest })
}

/** The reverse of `keyToText`. Throws for any other text. */
export function keyFromText(text: string): Key {
  const row = JSON.parse(text) as StoredRow & { readonly digest: string }
  return { ...decodeRow(PLACE, keyShape, { ...noLineage, ...row }), digest: row.digest }
}
