import { statusOf } from './sdk-errors.ts'

/**
 * What one try of a request came to. `ok`: the dependency answered, be it with "not there" (404), "exists" (409) or
 * "has moved on" (412). `transient`: no answer, a late one, overload or a fault of the dependency: another try may do
 * better. `validation`: it finds the request itself wrong. `permanent`: it refuses, and will refuse again.
 */
export type OutcomeClass = 'ok' | 'transient' | 'validation' | 'permanent'

/** How a try is judged, and how long the dependency asks to be left alone; 0 where it does not say. */
export interface Classified {
  readonly outcome: OutcomeClass
  readonly retryAfterMs: number
}

/** A reply that an SDK did not make an error of. */
export const ANSWERED: Classified = { outcome: 'ok', retryAfterMs: 0 }

/** The headers of a reply, as every Azure SDK hands them out. */
interface Headers {
  get(name: string): string | undefined
}

/** 408 and 449 (Cosmos DB: "retry with") are the only two of the 4xx, beside 429, that a second try may mend. */
const TRANSIENT_REFUSALS: ReadonlySet<number> = new Set([408, 429, 449])
const ANSWERS: ReadonlySet<number> = new Set([404, 409, 412])
const VALIDATION: ReadonlySet<number> = new Set([400, 411, 413, 414, 415])
/** Not implemented, and HTTP version not supported: no fault of the moment. */
const PERMANENT_FAULTS: ReadonlySet<number> = new Set([501, 505])

/** `undefined`: there was no reply. */
export function classifyStatus(status: number | undefined): OutcomeClass {
  if (status === undefined || TRANSIENT_REFUSALS.has(status)) return 'transient'
  if (status < 400 || ANSWERS.has(status)) return 'ok'
  if (VALIDATION.has(status)) return 'validation'
  return status >= 500 && !PERMANENT_FAULTS.has(status) ? 'transient' : 'permanent'
}

/** A reply, before the SDK has made an error of it. */
export function classifyReply({ status, headers }: { readonly status: number; readonly headers: Headers }): Classified {
  return { outcome: classifyStatus(status), retryAfterMs: readRetryAfterMs(headers) }
}

/** What a try threw: an error of an SDK is about the request; any other is a bug of ours, which no second try mends. */
export function classifyError(error: unknown): Classified {
  const status = statusOf(error)
  if (status === undefined && !isAboutTheWire(error)) return { outcome: 'permanent', retryAfterMs: 0 }
  return { outcome: classifyStatus(status), retryAfterMs: readRetryAfterMs(headersOf(error)) }
}

function isAboutTheWire(error: unknown): boolean {
  return error instanceof Error && ['RestError', 'AbortError', 'OutcomeUnknown'].includes(error.name)
}

function headersOf(error: unknown): Headers | undefined {
  const response = error instanceof Error && 'response' in error ? error.response : undefined
  return (response as { readonly headers?: Headers } | undefined)?.headers
}

function readRetryAfterMs(headers: Headers | undefined): number {
  const milliseconds = Number(headers?.get('x-ms-retry-after-ms') ?? headers?.get('retry-after-ms'))
  if (milliseconds > 0) return milliseconds
  const seconds = Number(headers?.get('retry-after'))
  return seconds > 0 ? seconds * 1000 : 0
}
