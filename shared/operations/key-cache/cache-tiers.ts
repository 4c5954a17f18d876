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
import { FUTURE_MS_MAX, type WriteBehindReplica, writeBehindReplica } from './write-behind-replica.ts'

/** The cache tiers of keys and providers: memory, then a replica on disk, both revalidated by the change feed. */
export interface CacheTiers {
  readonly keys: ReadThroughCache<Key>
  readonly providers: ReadThroughCache<Provider>
  readonly revocations: RevocationList
  readonly replica: WriteBehindReplica
  readonly poller: FeedPoller
  /** Invalidates everything read of the key before now. */
  keyChanged(digest: string): void
  providerChanged(providerId: string): void
  /** Drops what is cached of an erased key, in memory and on the disk. Its revocation stays. */
  eraseHere(key: Pick<Key, 'digest' | 'revocation'>): void
  /** Revokes the key on this instance, with its `revocation`. No later read from a store undoes it. */
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

// A change is promised to be seen within 10 s on every instance: this leaves 2 s for responses in flight.
const FRESH_MS = 8_000
const NEGATIVE_TTL_MS = 5_000
const MAX_AGE_MS = 15 * 60_000

const PROVIDERS_MAX = 10_000
const REVOCATIONS_MAX = 200_000

export function cacheTiers(needs: CacheTiersNeeds, maxKeys: number): CacheTiers {
  const elapsedMs = suspendAwareClock(needs.clock)
  // The store's time, as far as it is known: the watermark is one of its times.
  const nowMs = () => needs.clock.now().getTime() + poller.storeAheadMs()
  const replica = writeBehindReplica({ ...needs, nowMs })
  const revocations = revocationList(replica, REVOCATIONS_MAX)
  const poller = feedPoller(
    { ...needs, elapsedMs },
    {
      firstWatermarkMs: (startedAtMs) => firstWatermark(replica, startedAtMs),
      onChange: applyChange,
      onCaughtUp: (watermarkMs) => replica.advanceWatermark(watermarkMs),
      onGap() {
        for (const cache of [keys, providers]) cache.invalidateAll()
        replica.invalidateAll()
      },
    },
  )
  const common = { freshMs: FRESH_MS, maxAgeMs: MAX_AGE_MS, elapsedMs, revalidatedAtMs: poller.revalidatedAtMs }
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
  const evict = evictor(keys)
  function eraseHere({ digest, revocation }: Pick<Key, 'digest' | 'revocation'>): void {
    keys.invalidate(digest)
    evict(digest)
    if (revocation !== null) revocations.replace(digest, revocation)
    replica.keyErased(digest)
  }
  function providerChanged(providerId: string): void {
    providers.invalidate(providerId)
    replica.providerChanged(providerId)
  }
  function applyChange(change: Change): void {
    if (change.kind === 'provider') providerChanged(change.providerId)
    else if (change.erased) eraseHere(change)
    else if (change.revocation === null) keyChanged(change.digest)
    else revokeHere(change)
  }

  return { keys, providers, revocations, replica, poller, keyChanged, providerChanged, revokeHere, eraseHere }
}

/** Evicts keys that are erased in one turn of the event loop by one scan of the cache. */
function evictor(keys: ReadThroughCache<Key>): (digest: string) => void {
  const waiting = new Set<string>()
  return (digest) => {
    if (waiting.size === 0) {
      queueMicrotask(() => {
        keys.evict(waiting)
        waiting.clear()
      })
    }
    waiting.add(digest)
  }
}

/** The replica's watermark from an earlier process. A watermark in the future (wrong clock) invalidates the replica. */
function firstWatermark(replica: WriteBehindReplica, startedAtMs: number): number {
  const watermarkMs = replica.watermarkMs()
  if (watermarkMs !== undefined && watermarkMs <= startedAtMs + FUTURE_MS_MAX) return watermarkMs
  if (watermarkMs !== undefined) replica.invalidateAll()
  return startedAtMs
}
