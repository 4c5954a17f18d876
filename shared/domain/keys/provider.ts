import type { RateLimit } from './key.ts'
import type { LimitLineage } from './limit-lineage.ts'

/** The quotas of a provider as a whole; null means unlimited. */
export interface ProviderQuotas {
  readonly requestsPerDay: number | null
  readonly requestsPerMonth: number | null
  readonly maxKeys: number | null
  readonly keysPerHour: number | null
}

/** The tenant that owns keys. A provider without a row is active and unlimited. */
export interface Provider {
  readonly providerId: string
  readonly name: string | null
  readonly status: 'active' | 'disabled'
  /** Whether cached keys of the provider validate while the store is down. */
  readonly failMode: 'open' | 'closed'
  readonly rateLimits: readonly RateLimit[]
  readonly quotas: ProviderQuotas
  /** Null while the limits were not edited. */
  readonly lineage: LimitLineage | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly updatedBy: string
}
