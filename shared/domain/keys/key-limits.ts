import type { Limit, LimitState } from '../limits/limit.ts'
import type { Key, RateLimit } from './key.ts'
import { type LimitLineage, recordOf } from './limit-lineage.ts'
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
  const closed = provider?.failMode === 'closed' ? ({ inOutage: 'refuse' } as const) : {}
  const own: Holder = {
    level: 'key',
    id: key.lineage?.keyId ?? key.keyId,
    lineage: key.lineage,
    holder: key.keyId,
    closed,
  }
  const lineage = provider?.lineage ?? null
  const shared: Holder = { level: 'provider', id: key.providerId, lineage, holder: '', closed }
  const quotas = provider?.quotas
  return [
    ...key.rateLimits.map((limit) => rateLimit(own, limit)),
    ...(provider?.rateLimits ?? []).map((limit) => rateLimit(shared, limit)),
    ...quotaBy(own, key.quota?.period ?? 'day', key.quota?.limit).map((quota) => ({ ...quota, record: 'requests' })),
    ...quotaBy(shared, 'day', quotas?.requestsPerDay),
    ...quotaBy(shared, 'month', quotas?.requestsPerMonth),
  ]
}

/** The first limit, in the order of the checks, that no use of this cost can ever pass. */
export function limitBelow(limits: readonly KeyLimit[], cost: number): KeyLimit | undefined {
  return limits.find(({ limit }) => cost > limit)
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

/** Whose limits they are, and how they are counted. */
interface Holder {
  readonly level: KeyLimit['level']
  /** Stays the same over rotations. */
  readonly id: string
  readonly lineage: LimitLineage | null
  readonly holder: string
  readonly closed: Pick<Limit, 'inOutage'>
}

function counted({ lineage, holder, closed }: Holder): Pick<Limit, 'version' | 'holder' | 'inOutage'> {
  return { version: lineage?.version ?? 0, holder, ...closed }
}

function rateLimit(owner: Holder, { name, limit, windowSeconds, strategy }: RateLimit): KeyLimit {
  const kind = strategy === 'sliding_window' ? 'sliding' : 'fixed'
  return {
    level: owner.level,
    check: 'rate_limits',
    subject: `${owner.level}:${owner.id}`,
    name,
    record: recordOf(owner.lineage, name),
    limit,
    window: { kind, seconds: windowSeconds },
    ...counted(owner),
  }
}

/** Empty without a quota. Quotas have their own subject, since a rate limit may have any name. */
function quotaBy(owner: Holder, kind: 'day' | 'month', limit: number | null | undefined): KeyLimit[] {
  if (limit == null) return []
  const { level, id } = owner
  const name = `requests_per_${kind}`
  return [{ level, check: 'quota', subject: `quota:${level}:${id}`, name, limit, window: { kind }, ...counted(owner) }]
}
