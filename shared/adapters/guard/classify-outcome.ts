import { CallRejected } from './guard-errors.ts'
import { INVALID, statusOf } from './sdk-errors.ts'

/**
 * The outcome class of one attempt. `ok`: the dependency answered; "not there" (404), "exists" (409) and "has moved on"
 * (412) are answers. `transient`: no reply, a late one, overload or a fault of the dependency; a retry may succeed.
 * `validation`: the dependency finds the request invalid. `permanent`: the dependency refuses, and will refuse a retry.
 * `rejected`: this process refused, or could not read the reply; that says nothing about the dependency.
 */
export type OutcomeClass = 'ok' | 'transient' | 'validation' | 'permanent' | 'rejected'

/** The outcome class of an attempt, and the dependency's `Retry-After`; 0 where it sends none. */
export interface Classified {
  readonly outcome: OutcomeClass
  readonly retryAfterMs: number
}

/** The class of a reply that the SDK did not turn into an error. */
export const ANSWERED: Classified = { outcome: 'ok', retryAfterMs: 0 }

/** The headers of a reply, as every Azure SDK exposes them. */
interface Headers {
  get(name: string): string | undefined
}

/** Of the 4xx only 408, 429 and 449 (Cosmos DB: "retry with") may succeed on a retry. */
const TRANSIENT_4XX: ReadonlySet<number> = new Set([408, 429, 449])
const ANSWERS: ReadonlySet<number> = new Set([404, 409, 412])
/** Not implemented, and HTTP version not supported: no retry succeeds. */
const PERMANENT_5XX: ReadonlySet<number> = new Set([501, 505])

/** `undefined` means that there was no reply. */
export function classifyStatus(status: number | undefined): OutcomeClass {
  if (status === undefined || TRANSIENT_4XX.has(status)) return 'transient'
  if (status < 400 || ANSWERS.has(status)) return 'ok'
  if (INVALID.has(status)) return 'validation'
  return status >= 500 && !PERMANENT_5XX.has(status) ? 'transient' : 'permanent'
}

/** Classifies a reply before the SDK turns it into an error. */
export function classifyReply({ status, headers }: { readonly status: number; readonly headers: Headers }): Classified {
  return { outcome: classifyStatus(status), retryAfterMs: readRetryAfterMs(headers) }
}

/** Classifies what an attempt threw: an error of an SDK is about the request; any other is a bug of ours, never retried. */
export function classifyError(error: unknown): Classified {
  if (error instanceof CallRejected) return { outcome: 'rejected', retryAfterMs: 0 }
  const status = statusOf(error)
  if (status === undefined && !isTransportError(error)) return { outcome: 'permanent', retryAfterMs: 0 }
  return { outcome: classifyStatus(status), retryAfterMs: readRetryAfterMs(headersOf(error)) }
}

function isTransportError(error: unknown): boolean {
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
