import type { Key } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyDigests } from '../key-digests.ts'
import type { CacheTiers } from './cache-tiers.ts'
import type { CachedEntry, LookupResult } from './read-through-cache.ts'

/** What may be served where the store does not answer; undefined: nothing. */
export interface StaleIfError {
  key(secret: string, index: string): LookupResult<Key> | undefined
  provider(providerId: string): LookupResult<Provider> | undefined
}

/** How old the last knowledge may be. */
const STALE_IF_ERROR_MS = 15 * 60_000

/**
 * The rungs below the store: memory that is no longer fresh, then the replica. A key that is known to be revoked is refused
 * at any age; one that is known to be changed is no longer known. "There is no such key" is never served from here.
 */
export function staleIfError(
  { keys, providers, revocations, replica }: CacheTiers,
  digests: Pick<KeyDigests, 'candidates'>,
): StaleIfError {
  function rememberedProvider(providerId: string): LookupResult<Provider> | undefined {
    const kept = providers.kept(providerId)
    if (kept !== undefined && !kept.isInvalidated) return degraded(kept.value, kept.ageMs, 'stale')
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
    const failsClosed = rememberedProvider(key.providerId)?.value?.failMode === 'closed'
    return isInvalidated || ageMs > STALE_IF_ERROR_MS || failsClosed ? undefined : degraded(key, ageMs, source)
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
      const kept = keys.kept(index)
      const stale = kept && servable(kept, 'stale')
      if (stale !== undefined) return stale
      const replicated = replicatedKey(secret)
      return replicated && servable(replicated, 'replica')
    },
    provider(providerId) {
      const found = rememberedProvider(providerId)
      return found === undefined || found.ageMs > STALE_IF_ERROR_MS || found.value?.failMode === 'closed'
        ? undefined
        : found
    },
  }
}

function degraded<Value>(value: Value | undefined, ageMs: number, source: 'stale' | 'replica'): LookupResult<Value> {
  return { value, ageMs, degraded: true, source }
}
