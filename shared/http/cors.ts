import type { HttpRequest } from '@azure/functions'
import { AppError } from '../domain/errors.ts'

type Headers = Readonly<Record<string, string>>

const EXPOSED = 'X-Request-Id, RateLimit, RateLimit-Policy, Retry-After, Location, Idempotency-Replayed, Allow'
const ACCEPTED = 'Authorization, X-API-Key, Content-Type, Idempotency-Key, X-Request-Id, Cache-Control'
const PREFLIGHT_SECONDS = '600'

/** The headers that let a page of a listed origin read an answer. Never allows cookies: a call carries its credential. */
export function corsHeaders({ headers }: HttpRequest, origins: readonly string[]): Headers {
  if (origins.length === 0) return {}
  const origin = headers.get('origin')
  if (origin === null || !origins.includes(origin)) return { vary: 'Origin' }
  return { vary: 'Origin', 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED }
}

export function isPreflight({ headers }: HttpRequest): boolean {
  return headers.has('origin') && headers.has('access-control-request-method')
}

/** The headers of the answer to a preflight. Throws `origin_not_allowed` for an origin that is not listed. */
export function preflightHeaders({ headers }: HttpRequest, origins: readonly string[], methods: string): Headers {
  if (origins.length === 0) {
    throw new AppError(
      'origin_not_allowed',
      'Web pages of other origins may not call this service: the setting CORS_ORIGINS names none.',
    )
  }
  if (!origins.includes(headers.get('origin') ?? '')) {
    throw new AppError('origin_not_allowed', 'This origin is not one of those that the setting CORS_ORIGINS names.')
  }
  return {
    'access-control-allow-methods': methods,
    'access-control-allow-headers': ACCEPTED,
    'access-control-max-age': PREFLIGHT_SECONDS,
  }
}
