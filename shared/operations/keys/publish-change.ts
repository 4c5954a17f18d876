import { AppError } from '../../domain/errors.ts'
import type { Change, ChangeFeed } from '../../ports/keys.ts'
import type { Clock } from '../../ports/runtime.ts'
import { suspendAwareClock } from '../suspend-aware-clock.ts'

export interface PublishChangeNeeds {
  readonly feed: ChangeFeed
  readonly clock: Clock
}

/** Those who poll look back 30 s: longer than this, and the clocks of two instances that differ. */
const IN_TIME_MS = 10_000
const TRIES = 3

/**
 * Tells every instance of a change that is in the store already. Resolves when all who poll from now on will see it; throws
 * `store_unavailable` when nobody knows whether they will.
 */
export async function publishChange({ feed, clock }: PublishChangeNeeds, change: Change): Promise<void> {
  const elapsedMs = suspendAwareClock(clock)
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const begunAtMs = elapsedMs()
    await feed.append(change, clock.now())
    if (elapsedMs() - begunAtMs <= IN_TIME_MS) return
    // Others may have looked past this position before it was written: it is told again, at a new one.
  }
  throw new AppError('store_unavailable', 'The store answers too slowly. Try again.', { retryAfterSeconds: 1 })
}
