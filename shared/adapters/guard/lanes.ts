import type { Config } from '../../runtime/config.ts'
import type { CallPolicy } from './guard.ts'

/**
 * The lanes of calls to the tables by their purpose, from the most to the least important. `revocation`: writes that end
 * keys, and the feed in both directions. `limits`: leases of limits. `lookup`: keys and providers for a validation or an
 * authentication. `management`: the other calls of the management API. `background`: usage pushes, counting, roll-up,
 * sweeps, reconciliation.
 */
export type Lane = 'revocation' | 'limits' | 'lookup' | 'management' | 'background'

/**
 * The lanes of calls to the queues. `revocation`: revocations that wait for the tables. `usage`: sends of uses, which a
 * validation may wait for. `background`: receives and removals of uses, and sends of pushes.
 */
export type QueueLane = 'revocation' | 'usage' | 'background'

/** Lanes whose caller has a fallback get little time. One query of the feed replaces many lookups, so it gets more. */
export function lanePolicies(config: Config): Readonly<Record<Lane | QueueLane, CallPolicy>> {
  const concurrency = config.storeConcurrency
  const short = { attemptMs: 400, deadlineMs: 800, retries: 1, backoffMs: 50, openMs: 5000, concurrency }
  return {
    revocation: { attemptMs: 1500, deadlineMs: 3000, retries: 2, backoffMs: 50, openMs: 1000, concurrency },
    limits: short,
    lookup: short,
    usage: short,
    management: { attemptMs: 1500, deadlineMs: 3000, retries: 2, backoffMs: 100, openMs: 5000, concurrency },
    background: {
      ...{ attemptMs: 5000, deadlineMs: 30_000 },
      ...{ retries: config.retries.count, backoffMs: config.retries.backoffMs },
      ...{ openMs: config.breakerOpenSeconds * 1000, concurrency },
    },
  }
}
