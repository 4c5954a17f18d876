import { STATUS_CODES } from 'node:http'
import type { HttpResponseInit } from '@azure/functions'
import { AppError, type ErrorCode } from '../domain/errors.ts'

const statuses = {
  invalid_request: 400,
  malformed_json: 400,
  invalid_cursor: 400,
  key_in_query: 400,
  unauthenticated: 401,
  forbidden: 403,
  origin_not_allowed: 403,
  key_not_found: 404,
  provider_not_found: 404,
  batch_not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  key_revoked: 409,
  key_not_revoked: 409,
  key_already_rotated: 409,
  key_quota_exceeded: 409,
  idempotency_key_reused: 409,
  idempotency_in_progress: 409,
  batch_id_reused: 409,
  length_required: 411,
  body_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  too_many_failures: 429,
  too_many_requests_in_flight: 429,
  internal: 500,
  overloaded: 503,
  store_unavailable: 503,
  revocation_not_durable: 503,
  identity_unavailable: 503,
  usage_unavailable: 503,
  misconfigured: 503,
} as const satisfies Record<ErrorCode, number>

/** Registered problem types, from draft-ietf-httpapi-ratelimit-headers. */
const registeredTypes: Partial<Record<ErrorCode, string>> = {
  rate_limited: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  too_many_failures: 'https://iana.org/assignments/http-problem-types#abnormal-usage-detected',
}

/** Every error code; a test holds docs/errors.md against them. */
export const errorCodes = Object.keys(statuses) as readonly ErrorCode[]

/** The error that a caller may see. Any error but an `AppError` becomes `internal`; the log has its cause. */
export function publicError(error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError(
    'internal',
    'Something went wrong on our side. Try again, and quote the request_id if it goes on.',
    {
      cause: error,
    },
  )
}

/** An RFC 9457 `application/problem+json` with the stable `code`, every entry of `errors`, and the `request_id`. */
export function toProblem(error: AppError, requestId: string): HttpResponseInit & { readonly status: number } {
  const status = statuses[error.code]
  const retryAfterSeconds = error.retryAfterSeconds ?? (status === 503 ? 5 : undefined)
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      ...(status === 401 && { 'www-authenticate': 'Bearer realm="auth-api"' }),
      ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    },
    body: JSON.stringify({
      type: registeredTypes[error.code] ?? `urn:auth-api:error:${error.code}`,
      title: STATUS_CODES[status],
      status,
      code: error.code,
      detail: error.message,
      ...(error.errors && { errors: error.errors }),
      ...(error.violatedPolicies && { 'violated-policies': error.violatedPolicies }),
      request_id: requestId,
    }),
  }
}
