import { AppError } from '../domain/errors.ts'

/**
 * What a storage SDK threw, as what a caller may be told: `store_unavailable` for a store that cannot be asked (no answer,
 * 5xx, throttled, access refused). A request that the store finds invalid is a bug of ours and names `what` was asked.
 */
export function fromSdk(what: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const status = statusOf(error)
  if (status === 400 || status === 413) return new Error(`${what} refused a request (${status}).`, { cause: error })
  if (error.name !== 'RestError' && error.name !== 'AbortError') return error
  return unavailable(new Error(`${what} did not answer (${status ?? error.name}).`, { cause: error }))
}

export function unavailable(cause: Error): AppError {
  return new AppError('store_unavailable', 'The store did not answer. Try again.', { cause, retryAfterSeconds: 1 })
}

/** The HTTP status of a storage SDK's error; undefined when there was no reply. */
export function statusOf(error: unknown): number | undefined {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : undefined
}
