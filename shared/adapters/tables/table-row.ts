import * as z from 'zod'
import { RefusedByStore } from '../../domain/errors.ts'

/**
 * A value that both back ends store without loss. Excludes JavaScript numbers, which would be stored as Int32 or Double;
 * counters are bigint, which travels as Int64.
 */
export type Property = string | boolean | bigint

export type Row = { readonly partitionKey: string; readonly rowKey: string } & Readonly<Record<string, Property>>

/** A row as it was read. `timestamp` is the server's time of its last write, ISO 8601. */
export interface StoredRow {
  readonly partitionKey: string
  readonly rowKey: string
  readonly etag: string
  readonly timestamp: string
  readonly [property: string]: unknown
}

const KEY_BYTES_MAX = 255
const ROW_BYTES_MAX = 1024 * 1024
const TEXT_CHARS_MAX = 32 * 1024
const RESERVED = new Set(['id', 'rid', 'etag', 'ResourceId'])

/** Whether both back ends accept this as a partition or row key: at most 255 bytes, no `/ \ # ?`, no control character. */
export function isStorableKey(key: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that a key must not contain.
  return Buffer.byteLength(key) <= KEY_BYTES_MAX && key.isWellFormed() && !/[/\\#?\u0000-\u001f\u007f-\u009f]/.test(key)
}

/** Throws `RefusedByStore` on a row that Azure would refuse, also where Azurite accepts it (Azurite does not enforce the size of a row). */
export function checkRow(table: string, row: Row): void {
  if (!isStorableKey(row.partitionKey) || !isStorableKey(row.rowKey)) {
    throw unstorable(table, 'its keys are too long or contain a forbidden character')
  }
  for (const [name, value] of Object.entries(row)) {
    if (RESERVED.has(name)) throw unstorable(table, `"${name}" is a reserved name`)
    if (typeof value === 'string' && value.length > TEXT_CHARS_MAX) {
      throw unstorable(table, `"${name}" is longer than ${TEXT_CHARS_MAX} characters`)
    }
  }
  if (rowBytes(row) > ROW_BYTES_MAX) throw unstorable(table, 'it exceeds 1 MiB')
}

function unstorable(table: string, reason: string): RefusedByStore {
  return new RefusedByStore(`A row of table ${table} cannot be stored: ${reason}.`)
}

/** The size of a row by the formula of Azure Table Storage: UTF-16 names and texts, 8 bytes of overhead per property. */
export function rowBytes({ partitionKey, rowKey, ...properties }: Row): number {
  const keys = 4 + 2 * (partitionKey.length + rowKey.length)
  return Object.entries(properties).reduce((sum, [name, value]) => sum + 8 + 2 * name.length + valueBytes(value), keys)
}

function valueBytes(value: Property): number {
  if (typeof value === 'string') return 4 + 2 * value.length
  return typeof value === 'bigint' ? 8 : 1
}

/** Reads a row by its shape. Throws on a missing or wrong property; the error names table and property, never a value. */
export function decodeRow<S extends z.ZodType>(table: string, shape: S, row: StoredRow): z.output<S> {
  const result = z.safeDecode(shape, row as z.input<S>)
  if (result.success) return result.data
  throw new Error(`A row of table ${table} cannot be read: ${describeIssues(result.error)}.`)
}

/** Properties with values: one that is undefined has no place in a row. */
type Present<Properties> = { [Name in keyof Properties]: Exclude<Properties[Name], undefined> }

/**
 * The properties of a row for a value, by its shape: the reverse of `decodeRow`. Leaves out what is undefined. Throws
 * `RefusedByStore`.
 */
export function encodeRow<S extends z.ZodObject>(table: string, shape: S, value: z.output<S>): Present<z.input<S>> {
  const result = z.safeEncode(shape, value)
  if (result.success) return withoutUndefined(result.data)
  throw new RefusedByStore(`A row of table ${table} cannot be written: ${describeIssues(result.error)}.`)
}

function withoutUndefined<Properties extends object>(properties: Properties): Present<Properties> {
  const present = Object.entries(properties).filter(([, value]) => value !== undefined)
  return Object.fromEntries(present) as Present<Properties>
}

function describeIssues(error: z.ZodError): string {
  return error.issues.map(({ path, code }) => `${path.join('.')} (${code})`).join(', ')
}

/** Int64, read as a safe integer. */
export const int64 = z.codec(z.bigint(), z.int(), { decode: Number, encode: BigInt })

const isoText = z.iso.datetime({ precision: 3 })

/** ISO 8601 UTC text with milliseconds, so that instants compare as texts do. */
export const date = z.codec(isoText, z.date(), {
  decode: (text) => new Date(text),
  encode: (instant) => instant.toISOString(),
})

/** Like `date`; null is the empty text, so that a missing property is never read as null. */
export const nullableDate = z.codec(z.union([z.literal(''), isoText]), z.date().nullable(), {
  decode: (text) => (text === '' ? null : new Date(text)),
  encode: (instant) => instant?.toISOString() ?? '',
})

/** A name that is never empty; null is the empty text. */
export const nullableName = z.codec(z.string(), z.string().min(1).nullable(), {
  decode: (text) => (text === '' ? null : text),
  encode: (name) => name ?? '',
})

/** Any value that JSON can carry, as JSON text. */
export function json<S extends z.ZodType>(shape: S) {
  return z.codec(z.string(), shape, {
    decode: (text, context) => {
      try {
        return JSON.parse(text)
      } catch {
        context.issues.push({ code: 'invalid_format', format: 'json', input: text })
        return z.NEVER
      }
    },
    encode: (value) => JSON.stringify(value),
  })
}

const CHUNK_CHARS = 30_000

/** Spreads a long text over properties `<name>0`, `<name>1`, … beside its length in `<name>Length`. */
export function splitText(name: string, text: string): Record<string, Property> {
  const properties: Record<string, Property> = { [`${name}Length`]: BigInt(text.length) }
  for (let start = 0, part = 0; start < text.length; part++) {
    const end = wholeCharacters(text, start + CHUNK_CHARS)
    properties[`${name}${part}`] = text.slice(start, end)
    start = end
  }
  return properties
}

/** Moves a cut out of a surrogate pair, half of which would not survive as UTF-8. */
function wholeCharacters(text: string, end: number): number {
  const last = text.charCodeAt(end - 1)
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end
}

/** Joins the text that `splitText` spread; throws when a part is missing. */
export function joinText(table: string, name: string, row: StoredRow): string {
  const parts: string[] = []
  for (let part = row[`${name}0`]; typeof part === 'string'; part = row[`${name}${parts.length}`]) parts.push(part)
  const text = parts.join('')
  if (row[`${name}Length`] === BigInt(text.length)) return text
  throw new Error(`A row of table ${table} cannot be read: ${name} (incomplete).`)
}
