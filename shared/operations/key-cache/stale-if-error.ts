import type { Key } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyDigests } from '../key-digests.ts'
import type { CacheTiers } from './cache-tiers.ts'
import type { CachedEntry, LookupResult } from './read-through-cache.ts'

/** What may be served when the store does not answer (stale-if-error, RFC 5861); undefined when nothing may. */
export interface StaleIfError {
  key(secret: string, index: string): LookupResult<Key> | undefined
  provider(providerId: string): LookupResult<Provider> | undefined
  /** Whether the replica has the key, at any age. */
  replicates(secret: string): boolean
}

/**
 * Serves a stale entry from memory, else from the replica, up to the age of `maxAgeMs`; with 0, none at all. A revoked
 * key is served, as revoked, at any age. Never serves an invalidated entry or a negative one.
 */
export function staleIfError(
  { keys, providers, revocations, replica }: CacheTiers,
  digests: Pick<KeyDigests, 'candidates'>,
  maxAgeMs: number,
): StaleIfError {
  const isTooOld = (ageMs: number) => maxAgeMs === 0 || ageMs > maxAgeMs

  function cachedProvider(providerId: string): LookupResult<Provider> | undefined {
    const cached = providers.entry(providerId)
    if (cached !== undefined && !cached.isInvalidated) return degraded(cached.value, cached.ageMs, 'stale')
    const replicated = replica.findProvider(providerId)
    if (replicated === undefined || replicated.isInvalidated) return undefined
    return degraded(replicated.value, replicated.ageMs, 'replica')
  }

  function servable(
    { value, ageMs, isInvalidated }: CachedEntry<Key>,
    source: 'stale' | 'replica',
  ): LookupResult<Key> | undefined {
    const key = value && revocations.apply(value)
    if (key === undefined) return undefined
    if (key.revocation !== null) return degraded(key, ageMs, source)
    const failsClosed = cachedProvider(key.providerId)?.value?.failMode === 'closed'
    return isInvalidated || isTooOld(ageMs) || failsClosed ? undefined : degraded(key, ageMs, source)
  }

  function replicatedKey(secret: string): CachedEntry<Key> | undefined {
    for (const { digest } of digests.candidates(secret)) {
      const found = replica.findKey(digest)
      if (found !== undefined) return found
    }
    return undefined
  }

  return {
    key(secret, index) {
      const cached = keys.entry(index)
      const stale = cached && servable(cached, 'stale')
      if (stale !== undefined) return stale
      const replicated = replicatedKey(secret)
      return replicated && servable(replicated, 'replica')
    },
    provider(providerId) {
      const found = cachedProvider(providerId)
      return found === undefined || isTooOld(found.ageMs) || found.value?.failMode === 'closed' ? undefined : found
    },
    replicates: (secret) => replicatedKey(secret) !== undefined,
  }
}

function degraded<Value>(value: Value | undefined, ageMs: number, source: 'stale' | 'replica'): LookupResult<Value> {
  return { value, ageMs, degraded: true, source }
}
