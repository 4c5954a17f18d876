import { timingSafeEqual } from 'node:crypto'
import { everyProvider, oneProvider } from '../../domain/access/provider-scope.ts'
import { isOutage, isOverload } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyStore, ProviderStore } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Background } from '../../ports/runtime.ts'
import type { KeyDigest, KeyDigests } from '../key-digests.ts'
import { type CacheTiers, type CacheTiersNeeds, cacheTiers } from './cache-tiers.ts'
import { internPolicy } from './intern-policy.ts'
import type { LookupResult, ReadThroughCache } from './read-through-cache.ts'
import { staleIfError } from './stale-if-error.ts'

/**
 * A read-through cache of keys and providers. A fresh value is at most 8 s old: since its own read, or since the change
 * feed last revalidated it. When the store does not answer, serves stale-if-error.
 */
export interface KeyLookup
  extends Background,
    Pick<CacheTiers, 'keyChanged' | 'providerChanged' | 'revokeHere' | 'eraseHere'> {
  /**
   * Looks a secret up. `bypassCache` reads the store and never falls back to a cached entry. `value` is undefined for
   * an unknown secret. Throws `store_unavailable` when the store does not answer and no cached entry may be served. The
   * secret must be well formed.
   */
  find(secret: string, bypassCache: boolean): LookupResult<Key> | Promise<LookupResult<Key>>
  /** Whether the key is cached in memory or in the replica on the disk, at any age. Makes no request. */
  holds(secret: string): boolean
  /** `value` is undefined for a provider without a row. Throws as `find` does. */
  findProvider(providerId: string, bypassCache: boolean): LookupResult<Provider> | Promise<LookupResult<Provider>>
  /** The same key, revoked if this instance has seen its revocation since it was looked up. Makes no request. */
  recheck(key: Key): Key
  /** The cached key with this id, at any age, invalidated or not. Makes no request. */
  recall(keyId: string): Key | undefined
  status(): KeyLookupStatus
}

/** An age is undefined before the first event it counts from. */
interface KeyLookupStatus {
  /** How long ago the last complete poll of the feed began. */
  readonly feedAgeMs: number | undefined
  readonly cachedKeys: number
  /** The age of the replica's watermark: the replica on the local disk has all changes up to then. */
  readonly replicaAgeMs: number | undefined
  readonly replicaKeys: number
}

const KEYS_MAX = 100_000

interface KeyLookupNeeds extends CacheTiersNeeds {
  readonly keys: Pick<KeyStore, 'findByDigest'>
  readonly providers: Pick<ProviderStore, 'find'>
  readonly digests: KeyDigests
  /** Told of a key that was read and is not found by its digest under the pepper of new keys. Never throws. */
  readonly rehash: (key: Key, newest: KeyDigest) => void
  /** The highest age at which a stale entry is served while the store does not answer; 0 for never. */
  readonly staleIfErrorMs: number
}

export function keyLookup(needs: KeyLookupNeeds, maxKeys = KEYS_MAX): KeyLookup {
  const { digests } = needs
  const tiers = cacheTiers(needs, maxKeys)
  const { keys, providers, revocations, replica, poller } = tiers
  const fallbacks = staleIfError(tiers, digests, needs.staleIfErrorMs)
  const lookups = lookupCounter(needs.meter)
  const readKey = keyReader(needs)

  async function loadKey(secret: string): Promise<Key | undefined> {
    const key = await readKey(secret)
    return key && revocations.apply(key)
  }
  async function loadProvider(providerId: string): Promise<Provider | undefined> {
    return (await needs.providers.find(oneProvider(providerId)))?.value
  }

  /**
   * In an outage. While the store fails slowly, the lookups that wait for it fill their lane, and later ones are refused
   * by this instance: the feed, which has a lane of its own, tells that from load on a healthy store.
   */
  const mayServeStale = (error: unknown) => isOutage(error) || (isOverload(error) && poller.isStoreDown())

  /** Revalidates with one poll of the feed, else reads the store, else serves stale-if-error. */
  async function lookUp<Value>(cache: ReadThroughCache<Value>, index: string, { load, fallback }: Fallbacks<Value>) {
    if (cache.canRevalidate(index)) await poller.poll()
    return (
      cache.peek(index) ??
      cache.read(index, load).catch((error) => orRethrow(error, mayServeStale(error) ? fallback : none))
    )
  }

  return {
    find(secret, bypassCache) {
      const index = digests.cacheIndex(secret)
      const load = () => loadKey(secret)
      poller.markInUse()
      if (bypassCache) return lookups.countWhenDone(keys.refetch(index, load))
      const fresh = keys.peek(index)
      if (fresh !== undefined) return lookups.count(fresh)
      return lookups.countWhenDone(lookUp(keys, index, { load, fallback: () => fallbacks.key(secret, index) }))
    },
    holds: (secret) => keys.has(digests.cacheIndex(secret)) || fallbacks.replicates(secret),
    findProvider(providerId, bypassCache) {
      const load = () => loadProvider(providerId)
      if (bypassCache) return providers.refetch(providerId, load)
      const fallback = () => fallbacks.provider(providerId)
      return providers.peek(providerId) ?? lookUp(providers, providerId, { load, fallback })
    },
    keyChanged: tiers.keyChanged,
    providerChanged: tiers.providerChanged,
    revokeHere: tiers.revokeHere,
    eraseHere: tiers.eraseHere,
    recheck: revocations.applyRecent,
    recall(keyId) {
      const key = keys.search((cached) => cached.keyId === keyId) ?? replica.recall(keyId)
      return key && revocations.apply(key)
    },
    status: () => ({
      feedAgeMs: poller.ageMs(),
      cachedKeys: keys.size(),
      replicaAgeMs: replica.ageMs(),
      replicaKeys: replica.countKeys(),
    }),
    start: poller.start,
    async stop() {
      await poller.stop()
      replica.flush()
    },
  }
}

interface Fallbacks<Value> {
  readonly load: () => Promise<Value | undefined>
  readonly fallback: () => LookupResult<Value> | undefined
}

const none = () => undefined

/** Returns the fallback. Throws the error when there is none. */
function orRethrow<Value>(error: unknown, fallback: Fallbacks<Value>['fallback']): LookupResult<Value> {
  const found = fallback()
  if (found === undefined) throw error
  return found
}

/** Counts lookups of keys by the tier that answered. */
function lookupCounter(meter: Meter) {
  const labels = {
    memory: { source: 'memory' },
    store: { source: 'store' },
    stale: { source: 'stale' },
    replica: { source: 'replica' },
    none: { source: 'none' },
  } as const
  function count<Value>(found: LookupResult<Value>): LookupResult<Value> {
    meter.count('auth_api_key_lookups_total', labels[found.source])
    return found
  }
  return {
    count,
    async countWhenDone<Value>(lookup: Promise<LookupResult<Value>>): Promise<LookupResult<Value>> {
      try {
        return count(await lookup)
      } catch (error) {
        meter.count('auth_api_key_lookups_total', labels.none)
        throw error
      }
    },
  }
}

/** Reads a key from the store by its secret, under each pepper in turn, and interns its policy. */
function keyReader({ keys, digests, rehash }: Pick<KeyLookupNeeds, 'keys' | 'digests' | 'rehash'>) {
  const intern = internPolicy()
  /** Also for a key whose alias was dropped: a version of this service that knows no aliases does so. */
  const isDue = (key: Key, foundUnder: string) =>
    digests.isOutdated(key.pepperVersion) || (key.alias === undefined && digests.isOutdated(foundUnder))
  return async (secret: string): Promise<Key | undefined> => {
    for (const { digest, pepperVersion } of digests.candidates(secret)) {
      const key = await keys.findByDigest(everyProvider, digest)
      if (key === undefined || !isFoundBy(key, digest)) continue
      if (isDue(key, pepperVersion)) rehash(key, digests.make(secret))
      return intern(key)
    }
    return undefined
  }
}

/** An alias is valid only where the key confirms it: a rehash that crashed in between has none. */
function isFoundBy(key: Key, digest: string): boolean {
  return sameDigest(digest, key.digest) || (key.alias !== undefined && sameDigest(digest, key.alias))
}

function sameDigest(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}
