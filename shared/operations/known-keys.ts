import { timingSafeEqual } from 'node:crypto'
import type { Key } from '../domain/key.ts'
import type { Provider } from '../domain/provider.ts'
import { everyProvider, oneProvider } from '../domain/provider-scope.ts'
import type { Clock, KeyStore, ProviderStore } from '../ports.ts'
import { type Fresh, freshCache } from './fresh-cache.ts'
import type { KeyDigests } from './key-digests.ts'
import { policySharing } from './share-policy.ts'
import { stickyRevocations } from './sticky-revocations.ts'

/** The keys and providers that this instance has seen, at most 8 s old. */
export interface KnownKeys {
  /** The key that this secret is, or undefined. `anew` reads the store whatever is kept. The secret must be well formed. */
  find(secret: string, anew: boolean): Fresh<Key> | Promise<Fresh<Key>>
  /** Whether this instance remembers the key that this secret is, however old that memory. Asks nobody. */
  holds(secret: string): boolean
  /** Undefined for a provider without a row. */
  findProvider(providerId: string, anew: boolean): Fresh<Provider> | Promise<Fresh<Provider>>
  /** Forgets a key that this instance has just changed. */
  keyChanged(digest: string): void
  providerChanged(providerId: string): void
  /** Whatever this instance remembers of the key, however old. */
  recall(keyId: string): Key | undefined
  /** From now on the key is revoked here, with its `revocation`, whatever any store says. */
  revokeHere(key: Key): void
}

// The promise is 10 s everywhere: this leaves 2 s for replies under way.
const FRESH_MS = 8_000
const ABSENT_FRESH_MS = 5_000

const KEY_CACHE_ENTRIES = 100_000
const PROVIDER_CACHE_ENTRIES = 10_000
const REVOCATIONS_MAX = 200_000

interface KnownKeysNeeds {
  readonly keys: KeyStore
  readonly providers: ProviderStore
  readonly digests: KeyDigests
  readonly clock: Clock
}

export function knownKeys({ keys, providers, digests, clock }: KnownKeysNeeds, maxKeys = KEY_CACHE_ENTRIES): KnownKeys {
  const keyCache = freshCache<Key>(clock, {
    maxEntries: maxKeys,
    freshMs: FRESH_MS,
    absentFreshMs: ABSENT_FRESH_MS,
    tagOf: (key) => key.digest,
  })
  const providerCache = freshCache<Provider>(clock, {
    maxEntries: PROVIDER_CACHE_ENTRIES,
    freshMs: FRESH_MS,
    absentFreshMs: FRESH_MS,
    tagOf: (provider) => provider.providerId,
  })

  const share = policySharing()
  const revocations = stickyRevocations(REVOCATIONS_MAX)

  async function loadKey(secret: string): Promise<Key | undefined> {
    for (const { digest } of digests.candidates(secret)) {
      const key = await keys.findByDigest(everyProvider, digest)
      if (key !== undefined && sameDigest(digest, key.digest)) return revocations.apply(share(key))
    }
    return undefined
  }

  async function loadProvider(providerId: string): Promise<Provider | undefined> {
    return (await providers.find(oneProvider(providerId)))?.value
  }

  return {
    find(secret, anew) {
      const index = digests.cacheIndex(secret)
      if (anew) return keyCache.readAnew(index, () => loadKey(secret))
      return keyCache.peek(index) ?? keyCache.read(index, () => loadKey(secret))
    },
    holds: (secret) => keyCache.holds(digests.cacheIndex(secret)),
    findProvider(providerId, anew) {
      if (anew) return providerCache.readAnew(providerId, () => loadProvider(providerId))
      return providerCache.peek(providerId) ?? providerCache.read(providerId, () => loadProvider(providerId))
    },
    keyChanged: (digest) => keyCache.outdate(digest),
    providerChanged: (providerId) => providerCache.outdate(providerId),
    recall(keyId) {
      const key = keyCache.search((kept) => kept.keyId === keyId)
      return key && revocations.apply(key)
    },
    revokeHere(key) {
      if (key.revocation !== null) revocations.add(key.digest, key.revocation)
      keyCache.outdate(key.digest)
    },
  }
}

function sameDigest(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}
