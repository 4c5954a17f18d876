import { AppError, RefusedByStore } from '../../domain/errors.ts'
import { CallRejected, OutcomeUnknown } from './guard-errors.ts'

/** The statuses for a request that the service finds invalid: a retry would be refused again. */
export const INVALID: ReadonlySet<number> = new Set([400, 411, 413, 414, 415])

/**
 * Translates what a storage SDK threw into what a caller may be told. `store_unavailable`: the store is unavailable (no
 * reply, 5xx, throttled, access refused), or its circuit breaker is open. `overloaded`: a bound of ours refused the
 * request, which is no outage. `RefusedByStore`: the store finds the request invalid. The errors name `what`. The SDK's own
 * error goes no further: it holds the request, with its signature and the row.
 */
export function fromSdk(what: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof CallRejected) {
    const cause = new Error(`${what} was not asked: ${error.message}`)
    if (error.reason === 'outage') return unavailable(cause, error.retryAfterSeconds)
    const { retryAfterSeconds } = error
    return new AppError('overloaded', 'Too many requests are under way. Try again.', { cause, retryAfterSeconds })
  }
  const status = statusOf(error)
  const reason = status === undefined ? error.message : `${status} ${codeOf(error)}`
  if (status !== undefined && INVALID.has(status)) return new RefusedByStore(`${what} refused a request: ${reason}`)
  if (!(error instanceof OutcomeUnknown) && error.name !== 'RestError' && error.name !== 'AbortError') return error
  return unavailable(new Error(`${what} did not answer: ${reason}`))
}

export function unavailable(cause: Error, retryAfterSeconds = 1): AppError {
  return new AppError('store_unavailable', 'The store did not answer. Try again.', { cause, retryAfterSeconds })
}

/** The HTTP status of a storage SDK's error; undefined when there was no reply. */
export function statusOf(error: unknown): number | undefined {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : undefined
}

/** The service's name for what went wrong, such as `ServerBusy`. */
function codeOf(error: Error): string {
  if ('code' in error && typeof error.code === 'string') return error.code
  const details = 'details' in error && typeof error.details === 'object' ? error.details : null
  return details !== null && 'errorCode' in details ? String(details.errorCode) : 'without a code'
}
