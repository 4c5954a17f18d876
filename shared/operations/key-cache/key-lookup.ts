import { timingSafeEqual } from 'node:crypto'
import { everyProvider, oneProvider } from '../../domain/access/provider-scope.ts'
import { isOutage } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyStore, ProviderStore } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Background } from '../../ports/runtime.ts'
import type { KeyDigests } from '../key-digests.ts'
import { type CacheTiers, type CacheTiersNeeds, cacheTiers } from './cache-tiers.ts'
import { internPolicy } from './intern-policy.ts'
import type { LookupResult, ReadThroughCache } from './read-through-cache.ts'
import { staleIfError } from './stale-if-error.ts'

/**
 * The keys and providers that this instance has seen, as they were at most 8 s ago: by their own read, or because the feed
 * of changes has told of none since. Where the store does not answer, as they were last known, for 15 minutes.
 */
export interface KeyLookup extends Background, Pick<CacheTiers, 'keyChanged' | 'providerChanged' | 'revokeHere'> {
  /**
   * The key that this secret is, or undefined. `anew` asks the store whatever is kept, and is content with nothing less.
   * Throws `store_unavailable` where the store does not answer and nothing is known that may be served. The secret must be
   * well formed.
   */
  find(secret: string, bypassCache: boolean): LookupResult<Key> | Promise<LookupResult<Key>>
  /** Whether this instance remembers the key that this secret is, however old that memory. Asks nobody. */
  holds(secret: string): boolean
  /** Undefined for a provider without a row. Throws as `find` does. */
  findProvider(providerId: string, bypassCache: boolean): LookupResult<Provider> | Promise<LookupResult<Provider>>
  /** Whatever this instance remembers of the key, however old. */
  recall(keyId: string): Key | undefined
  status(): KeyLookupStatus
}

/** An age is undefined where there was none yet. */
interface KeyLookupStatus {
  /** How long ago the last complete poll of the feed began. */
  readonly feedAgeMs: number | undefined
  readonly cachedKeys: number
  /** Up to how long ago the replica on the local disk knows of all changes. */
  readonly replicaAgeMs: number | undefined
  readonly replicaKeys: number
}

const KEYS_MAX = 100_000

interface KeyLookupNeeds extends CacheTiersNeeds {
  readonly keys: Pick<KeyStore, 'findByDigest'>
  readonly providers: Pick<ProviderStore, 'find'>
  readonly digests: KeyDigests
}

export function keyLookup(needs: KeyLookupNeeds, maxKeys = KEYS_MAX): KeyLookup {
  const { digests } = needs
  const memory = cacheTiers(needs, maxKeys)
  const { keys, providers, revocations, replica, poller } = memory
  const rest = staleIfError(memory, digests)
  const counted = foundCounter(needs.meter)
  const readKey = keyReader(needs)

  async function loadKey(secret: string): Promise<Key | undefined> {
    const key = await readKey(secret)
    return key && revocations.apply(key)
  }
  async function loadProvider(providerId: string): Promise<Provider | undefined> {
    return (await needs.providers.find(oneProvider(providerId)))?.value
  }

  /** What one poll may confirm, then the store, then what is left where that does not answer. */
  async function lookUp<Value>(cache: ReadThroughCache<Value>, index: string, { load, resort }: Fallbacks<Value>) {
    if (cache.canRevalidate(index)) await poller.poll()
    return cache.peek(index) ?? cache.read(index, load).catch((error) => orRethrow(error, resort))
  }

  return {
    find(secret, bypassCache) {
      const index = digests.cacheIndex(secret)
      const load = () => loadKey(secret)
      poller.markInUse()
      if (bypassCache) return counted.later(keys.refetch(index, load))
      const fresh = keys.peek(index)
      if (fresh !== undefined) return counted.now(fresh)
      return counted.later(lookUp(keys, index, { load, resort: () => rest.key(secret, index) }))
    },
    holds: (secret) => keys.holds(digests.cacheIndex(secret)),
    findProvider(providerId, bypassCache) {
      const load = () => loadProvider(providerId)
      if (bypassCache) return providers.refetch(providerId, load)
      const resort = () => rest.provider(providerId)
      return providers.peek(providerId) ?? lookUp(providers, providerId, { load, resort })
    },
    keyChanged: memory.keyChanged,
    providerChanged: memory.providerChanged,
    revokeHere: memory.revokeHere,
    recall(keyId) {
      const key = keys.search((kept) => kept.keyId === keyId) ?? replica.recall(keyId)
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
  readonly resort: () => LookupResult<Value> | undefined
}

/** What is left in an outage; throws the error where that is nothing, or where it is no outage. */
function orRethrow<Value>(error: unknown, resort: Fallbacks<Value>['resort']): LookupResult<Value> {
  const found = isOutage(error) ? resort() : undefined
  if (found === undefined) throw error
  return found
}

/** Counts where keys were found. */
function foundCounter(meter: Meter) {
  const labels = {
    memory: { source: 'memory' },
    store: { source: 'store' },
    stale: { source: 'stale' },
    replica: { source: 'replica' },
    none: { source: 'none' },
  } as const
  function now<Value>(found: LookupResult<Value>): LookupResult<Value> {
    meter.count('auth_api_key_lookups_total', labels[found.source])
    return found
  }
  return {
    now,
    async later<Value>(looking: Promise<LookupResult<Value>>): Promise<LookupResult<Value>> {
      try {
        return now(await looking)
      } catch (error) {
        meter.count('auth_api_key_lookups_total', labels.none)
        throw error
      }
    },
  }
}

/** Reads a key by its secret, under every pepper. Keys of one policy share its parts. */
function keyReader({ keys, digests }: Pick<KeyLookupNeeds, 'keys' | 'digests'>) {
  const intern = internPolicy()
  return async (secret: string): Promise<Key | undefined> => {
    for (const { digest } of digests.candidates(secret)) {
      const key = await keys.findByDigest(everyProvider, digest)
      if (key !== undefined && sameDigest(digest, key.digest)) return intern(key)
    }
    return undefined
  }
}

function sameDigest(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}
