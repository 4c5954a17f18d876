import type { Key } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyReplica } from '../../ports/key-cache.ts'
import type { Change, ChangeFeed } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { suspendAwareClock } from '../suspend-aware-clock.ts'
import { type FeedPoller, feedPoller } from './feed-poller.ts'
import { type ReadThroughCache, readThroughCache } from './read-through-cache.ts'
import { type RevocationList, revocationList } from './revocation-list.ts'
import { type WriteBehindReplica, writeBehindReplica } from './write-behind-replica.ts'

/** What this instance remembers of keys and providers, in memory and on its disk, and the feed that keeps it true. */
export interface CacheTiers {
  readonly keys: ReadThroughCache<Key>
  readonly providers: ReadThroughCache<Provider>
  readonly revocations: RevocationList
  readonly replica: WriteBehindReplica
  readonly poller: FeedPoller
  /** Nothing that was read of the key before now is served as it was. */
  keyChanged(digest: string): void
  providerChanged(providerId: string): void
  /** From now on the key is revoked here, with its `revocation`, whatever any store says. */
  revokeHere(key: Pick<Key, 'digest' | 'revocation'>): void
}

export interface CacheTiersNeeds {
  readonly feed: ChangeFeed
  readonly replica: KeyReplica
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly meter: Meter
}

// The promise is 10 s everywhere: this leaves 2 s for replies under way.
const FRESH_MS = 8_000
const NEGATIVE_TTL_MS = 5_000
const MAX_AGE_MS = 15 * 60_000

const PROVIDERS_MAX = 10_000
const REVOCATIONS_MAX = 200_000

export function cacheTiers(needs: CacheTiersNeeds, maxKeys: number): CacheTiers {
  const elapsedMs = suspendAwareClock(needs.clock)
  const replica = writeBehindReplica(needs)
  const revocations = revocationList(replica, REVOCATIONS_MAX)
  const poller = feedPoller(
    { ...needs, elapsedMs },
    {
      firstWatermarkMs: (madeAtMs) => firstWatermark(replica, madeAtMs),
      onChange: applyChange,
      onFollowed: (watermarkMs) => replica.followed(watermarkMs),
      onLost() {
        for (const cache of [keys, providers]) cache.invalidateAll()
        replica.lost()
      },
    },
  )
  const common = { freshMs: FRESH_MS, maxAgeMs: MAX_AGE_MS, elapsedMs, confirmedAtMs: poller.confirmedAtMs }
  const keys = readThroughCache<Key>({
    ...{ ...common, maxEntries: maxKeys, negativeTtlMs: NEGATIVE_TTL_MS },
    tagOf: (key) => key.digest,
    onRead: (_, key, ageMs) => key && replica.keyRead(key, ageMs),
  })
  const providers = readThroughCache<Provider>({
    ...{ ...common, maxEntries: PROVIDERS_MAX, negativeTtlMs: undefined },
    tagOf: (provider) => provider.providerId,
    onRead: (providerId, provider, ageMs) => replica.providerRead(providerId, provider, ageMs),
  })

  function revokeHere({ digest, revocation }: Pick<Key, 'digest' | 'revocation'>): void {
    keys.invalidate(digest)
    if (revocation !== null) revocations.add(digest, revocation)
  }
  function keyChanged(digest: string): void {
    keys.invalidate(digest)
    replica.keyChanged(digest)
  }
  function providerChanged(providerId: string): void {
    providers.invalidate(providerId)
    replica.providerChanged(providerId)
  }
  function applyChange(change: Change): void {
    if (change.kind === 'provider') providerChanged(change.providerId)
    else if (change.revocation === null) keyChanged(change.digest)
    else revokeHere(change)
  }

  return { keys, providers, revocations, replica, poller, keyChanged, providerChanged, revokeHere }
}

/** Where the replica of an earlier life of this instance stopped; one from the future came from a clock that was wrong. */
function firstWatermark(replica: WriteBehindReplica, madeAtMs: number): number {
  const watermarkMs = replica.watermarkMs()
  if (watermarkMs !== undefined && watermarkMs <= madeAtMs) return watermarkMs
  if (watermarkMs !== undefined) replica.lost()
  return madeAtMs
}
