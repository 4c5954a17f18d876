import { escapeToAscii } from './ascii-bodies.ts'
import { type Row, rowBytes } from './table-row.ts'

/** The limit of Cosmos DB; Table Storage takes twice as much. */
export const TRANSACTION_BYTES_MAX = 2 * 1000 * 1000

const HEADERS_BYTES = 500
/** Quotes, colon and comma, and the type of a number. */
const PROPERTY_BYTES = 40
/** Of one UTF-16 unit in JSON in ASCII. */
const ESCAPED_BYTES_MAX = 6

/** An upper bound of the rows as they are stored, and of the body that carries them: headers, and JSON in ASCII. */
export function transactionBytes(rows: readonly Row[]): number {
  const stored = rows.reduce((sum, row) => sum + rowBytes(row), 0)
  // Escapes texts only where the bound needs it.
  const most = bodyBytes(rows, (text) => ESCAPED_BYTES_MAX * text.length)
  const isFar = most <= TRANSACTION_BYTES_MAX
  return Math.max(stored, isFar ? most : bodyBytes(rows, (text) => escapeToAscii(JSON.stringify(text)).length))
}

function bodyBytes(rows: readonly Row[], textBytes: (text: string) => number): number {
  let bytes = 0
  for (const row of rows) {
    bytes += HEADERS_BYTES
    for (const [name, value] of Object.entries(row)) {
      bytes += PROPERTY_BYTES + 2 * name.length + (typeof value === 'string' ? textBytes(value) : 20)
    }
  }
  return bytes
}
