import type { Key } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyReplica } from '../../ports/key-cache.ts'
import type { Change, ChangeFeed } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { elapsedTime } from '../suspend-aware-clock.ts'
import { changeFollower, type Follower } from './feed-poller.ts'
import { type FreshCache, freshCache } from './read-through-cache.ts'
import { type StickyRevocations, stickyRevocations } from './revocation-list.ts'
import { type KeptReplica, keepReplica } from './write-behind-replica.ts'

/** What this instance remembers of keys and providers, in memory and on its disk, and the feed that keeps it true. */
export interface KeyMemory {
  readonly keys: FreshCache<Key>
  readonly providers: FreshCache<Provider>
  readonly revocations: StickyRevocations
  readonly replica: KeptReplica
  readonly follower: Follower
  /** Nothing that was read of the key before now is served as it was. */
  keyChanged(digest: string): void
  providerChanged(providerId: string): void
  /** From now on the key is revoked here, with its `revocation`, whatever any store says. */
  revokeHere(key: Pick<Key, 'digest' | 'revocation'>): void
}

export interface KeyMemoryNeeds {
  readonly feed: ChangeFeed
  readonly replica: KeyReplica
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly meter: Meter
}

// The promise is 10 s everywhere: this leaves 2 s for replies under way.
const FRESH_MS = 8_000
const ABSENT_FRESH_MS = 5_000
const MAX_AGE_MS = 15 * 60_000

const PROVIDERS_MAX = 10_000
const REVOCATIONS_MAX = 200_000

export function keyMemory(needs: KeyMemoryNeeds, maxKeys: number): KeyMemory {
  const elapsedMs = elapsedTime(needs.clock)
  const replica = keepReplica(needs)
  const revocations = stickyRevocations(replica, REVOCATIONS_MAX)
  const follower = changeFollower(
    { ...needs, elapsedMs },
    {
      firstWatermarkMs: (madeAtMs) => firstWatermark(replica, madeAtMs),
      onChange: applyChange,
      onFollowed: (watermarkMs) => replica.followed(watermarkMs),
      onLost() {
        for (const cache of [keys, providers]) cache.outdateAll()
        replica.lost()
      },
    },
  )
  const common = { freshMs: FRESH_MS, maxAgeMs: MAX_AGE_MS, elapsedMs, confirmedAtMs: follower.confirmedAtMs }
  const keys = freshCache<Key>({
    ...{ ...common, maxEntries: maxKeys, absentFreshMs: ABSENT_FRESH_MS },
    tagOf: (key) => key.digest,
    onRead: (_, key, ageMs) => key && replica.keyRead(key, ageMs),
  })
  const providers = freshCache<Provider>({
    ...{ ...common, maxEntries: PROVIDERS_MAX, absentFreshMs: undefined },
    tagOf: (provider) => provider.providerId,
    onRead: (providerId, provider, ageMs) => replica.providerRead(providerId, provider, ageMs),
  })

  function revokeHere({ digest, revocation }: Pick<Key, 'digest' | 'revocation'>): void {
    keys.outdate(digest)
    if (revocation !== null) revocations.add(digest, revocation)
  }
  function keyChanged(digest: string): void {
    keys.outdate(digest)
    replica.keyChanged(digest)
  }
  function providerChanged(providerId: string): void {
    providers.outdate(providerId)
    replica.providerChanged(providerId)
  }
  function applyChange(change: Change): void {
    if (change.kind === 'provider') providerChanged(change.providerId)
    else if (change.revocation === null) keyChanged(change.digest)
    else revokeHere(change)
  }

  return { keys, providers, revocations, replica, follower, keyChanged, providerChanged, revokeHere }
}

/** Where the replica of an earlier life of this instance stopped; one from the future came from a clock that was wrong. */
function firstWatermark(replica: KeptReplica, madeAtMs: number): number {
  const watermarkMs = replica.watermarkMs()
  if (watermarkMs !== undefined && watermarkMs <= madeAtMs) return watermarkMs
  if (watermarkMs !== undefined) replica.lost()
  return madeAtMs
}
