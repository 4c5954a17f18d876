import { AppError, isOverload } from '../../domain/errors.ts'
import type { Change, ChangeFeed } from '../../ports/keys.ts'
import type { Clock } from '../../ports/runtime.ts'
import { suspendAwareClock } from '../suspend-aware-clock.ts'

export interface PublishChangeNeeds {
  readonly feed: ChangeFeed
  readonly clock: Clock
}

/** Polls overlap by 30 s, enough for an append that takes this long and for 20 s of clock skew. */
const APPEND_MS_MAX = 10_000
const ATTEMPTS = 3

/**
 * Publishes a change that is in the store already to every instance. Resolves when every poll from now on sees it.
 * Throws `store_unavailable` when that cannot be guaranteed, also where this instance refused the append for its own
 * load: the change is in the store, and a caller that took that for a refusal of the whole call would not announce it.
 */
export async function publishChange({ feed, clock }: PublishChangeNeeds, change: Change): Promise<void> {
  const elapsedMs = suspendAwareClock(clock)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const begunAtMs = elapsedMs()
    await feed.append(change, clock.now()).catch(unannounced)
    if (elapsedMs() - begunAtMs <= APPEND_MS_MAX) return
    // A poll may have passed this position before the write: appends the change again at a new position.
  }
  throw new AppError('store_unavailable', 'The store answers too slowly. Try again.', { retryAfterSeconds: 1 })
}

function unannounced(cause: unknown): never {
  if (!isOverload(cause)) throw cause
  throw new AppError('store_unavailable', 'The change is made and could not be announced. Try again.', {
    ...{ cause, retryAfterSeconds: 1 },
  })
}
