/** Every error code that a caller can receive. `http/problem.ts` gives each a status; docs/errors.md explains each. */
export type ErrorCode =
  | 'invalid_request'
  | 'malformed_json'
  | 'invalid_cursor'
  | 'key_in_query'
  | 'unauthenticated'
  | 'forbidden'
  | 'origin_not_allowed'
  | 'key_not_found'
  | 'provider_not_found'
  | 'batch_not_found'
  | 'method_not_allowed'
  | 'conflict'
  | 'key_revoked'
  | 'key_not_revoked'
  | 'key_already_rotated'
  | 'key_quota_exceeded'
  | 'idempotency_key_reused'
  | 'idempotency_in_progress'
  | 'batch_id_reused'
  | 'length_required'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'too_many_failures'
  | 'too_many_requests_in_flight'
  | 'overloaded'
  | 'store_unavailable'
  | 'revocation_not_durable'
  | 'identity_unavailable'
  | 'usage_unavailable'
  | 'misconfigured'
  | 'internal'

/** One wrong field: `pointer` is an RFC 6901 pointer into the body, or the name of a query or path parameter. */
export interface FieldError {
  readonly pointer: string
  readonly detail: string
}

interface AppErrorOptions extends ErrorOptions {
  readonly errors?: readonly FieldError[]
  readonly retryAfterSeconds?: number
  /** Names of the limits that refused the call. */
  readonly violatedPolicies?: readonly string[]
}

/** `message` is public: it becomes the problem's `detail`. What must stay private goes in `cause`. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly errors: readonly FieldError[] | undefined
  readonly retryAfterSeconds: number | undefined
  readonly violatedPolicies: readonly string[] | undefined

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.errors = options.errors
    this.retryAfterSeconds = options.retryAfterSeconds
    this.violatedPolicies = options.violatedPolicies
  }
}

/**
 * The store finds the request itself wrong, for what is in it: a retry would be refused again. Says nothing about the
 * store's health. `message` names table and reason, never a value.
 */
export class RefusedByStore extends Error {
  override readonly name = 'RefusedByStore'
}

/** Whether an operation failed because the store did not answer. A refusal of our own (`overloaded`) is no outage. */
export function isOutage(error: unknown): boolean {
  return error instanceof AppError && error.code === 'store_unavailable'
}

/** Whether an operation failed because this instance refused a request to the store, having too many under way. */
export function isOverload(error: unknown): boolean {
  return error instanceof AppError && error.code === 'overloaded'
}

/** Whether an operation failed half-way, perhaps: the store did not answer, or one of its requests was not sent. */
export function isOutcomeOpen(error: unknown): boolean {
  return isOutage(error) || isOverload(error)
}
