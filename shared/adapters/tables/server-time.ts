import type { StoreInstant } from '../../domain/limits/time-interval.ts'

/**
 * When the server wrote a row. The ETag of Azure Table Storage is exact to 100 ns: `W/"datetime'2026-11-22T16%3A00%3A00.1234567Z'"`;
 * a stamp without a fraction, as in Cosmos DB, and the header `Date` to the second. Undefined where both are missing.
 */
export function serverInstant(etag: string | undefined, date: Date | undefined): StoreInstant | undefined {
  const stamp = /datetime'([^']+)'/.exec(etag ?? '')?.[1]
  const fromMs = stamp === undefined ? Number.NaN : Date.parse(decodeStamp(stamp))
  if (!Number.isNaN(fromMs)) return { fromMs, toMs: fromMs + (/\.\d*[1-9]/.test(stamp ?? '') ? 1 : 1000) }
  return date === undefined ? undefined : { fromMs: date.getTime(), toMs: date.getTime() + 1000 }
}

function decodeStamp(stamp: string): string {
  try {
    return decodeURIComponent(stamp)
  } catch {
    return ''
  }
}
