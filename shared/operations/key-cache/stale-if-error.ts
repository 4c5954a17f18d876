import type { Key } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyDigests } from '../key-digests.ts'
import type { KeyMemory } from './cache-tiers.ts'
import type { Fresh, Kept } from './read-through-cache.ts'

/** What may be served where the store does not answer; undefined: nothing. */
export interface LastResort {
  key(secret: string, index: string): Fresh<Key> | undefined
  provider(providerId: string): Fresh<Provider> | undefined
}

/** How old the last knowledge may be. */
const GRACE_MS = 15 * 60_000

/**
 * The rungs below the store: memory that is no longer fresh, then the replica. A key that is known to be revoked is refused
 * at any age; one that is known to be changed is no longer known. "There is no such key" is never served from here.
 */
export function lastResort(
  { keys, providers, revocations, replica }: KeyMemory,
  digests: Pick<KeyDigests, 'candidates'>,
): LastResort {
  function rememberedProvider(providerId: string): Fresh<Provider> | undefined {
    const kept = providers.kept(providerId)
    if (kept !== undefined && !kept.isOutdated) return degraded(kept.value, kept.ageMs, 'stale')
    const replicated = replica.findProvider(providerId)
    if (replicated === undefined || replicated.isOutdated) return undefined
    return degraded(replicated.value, replicated.ageMs, 'replica')
  }

  function servable({ value, ageMs, isOutdated }: Kept<Key>, source: 'stale' | 'replica'): Fresh<Key> | undefined {
    const key = value && revocations.apply(value)
    if (key === undefined) return undefined
    if (key.revocation !== null) return degraded(key, ageMs, source)
    const failsClosed = rememberedProvider(key.providerId)?.value?.failMode === 'closed'
    return isOutdated || ageMs > GRACE_MS || failsClosed ? undefined : degraded(key, ageMs, source)
  }

  function replicatedKey(secret: string): Kept<Key> | undefined {
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
      return found === undefined || found.ageMs > GRACE_MS || found.value?.failMode === 'closed' ? undefined : found
    },
  }
}

function degraded<Value>(value: Value | undefined, ageMs: number, source: 'stale' | 'replica'): Fresh<Value> {
  return { value, ageMs, degraded: true, source }
}
