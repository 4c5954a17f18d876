import type { Limit, LimitState } from '../limits/limit.ts'
import type { Key, RateLimit } from './key.ts'
import type { Provider } from './provider.ts'

/** The checks of a verdict that the limits decide, in their order. */
export const limitCheckNames = ['rate_limits', 'quota'] as const

/** A limit on the uses of a key. */
export interface KeyLimit extends Limit {
  readonly level: 'key' | 'provider'
  readonly check: (typeof limitCheckNames)[number]
}

/** The state of one limit of a key. */
export interface LimitStanding extends LimitState {
  readonly limit: KeyLimit
}

const none: readonly KeyLimit[] = []

/** The limits on the uses of a key, in the order of their checks: rate limits, then quotas, the key's own first. */
export function limitsOf(key: Key, provider: Provider | undefined): readonly KeyLimit[] {
  if (!isLimited(key, provider)) return none
  return [
    ...key.rateLimits.map((limit) => rateLimit('key', key.keyId, limit)),
    ...(provider?.rateLimits ?? []).map((limit) => rateLimit('provider', key.providerId, limit)),
    ...quotaBy('key', key.keyId, key.quota?.period ?? 'day', key.quota?.limit),
    ...quotaBy('provider', key.providerId, 'day', provider?.quotas.requestsPerDay),
    ...quotaBy('provider', key.providerId, 'month', provider?.quotas.requestsPerMonth),
  ]
}

/** The name of a limit in HTTP headers. Unlike `name`, it is unique among all limits of a use. */
export function policyName({ level, check, name }: KeyLimit): string {
  return `${level === 'provider' ? 'provider.' : ''}${check === 'quota' ? 'quota.' : ''}${name}`
}

/** Fast path for every use: most keys have no limit. Allocates nothing. */
function isLimited(key: Key, provider: Provider | undefined): boolean {
  return key.quota !== null || key.rateLimits.length > 0 || (provider !== undefined && isBound(provider))
}

function isBound({ rateLimits, quotas: { requestsPerDay, requestsPerMonth } }: Provider): boolean {
  return rateLimits.length > 0 || requestsPerDay !== null || requestsPerMonth !== null
}

type Level = KeyLimit['level']

function rateLimit(level: Level, id: string, { name, limit, windowSeconds, strategy }: RateLimit): KeyLimit {
  const kind = strategy === 'sliding_window' ? 'sliding' : 'fixed'
  return {
    level,
    check: 'rate_limits',
    subject: `${level}:${id}`,
    name,
    limit,
    window: { kind, seconds: windowSeconds },
  }
}

/** Empty without a quota. Quotas have their own subject, since a rate limit may have any name. */
function quotaBy(level: Level, id: string, kind: 'day' | 'month', limit: number | null | undefined): KeyLimit[] {
  if (limit == null) return []
  return [
    { level, check: 'quota', subject: `quota:${level}:${id}`, name: `requests_per_${kind}`, limit, window: { kind } },
  ]
}
