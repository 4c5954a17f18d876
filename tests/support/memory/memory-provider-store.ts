import type { Provider } from '../../../shared/domain/keys/provider.ts'
import type { ProviderStore } from '../../../shared/ports/keys.ts'
import type { Versioned } from '../../../shared/ports/store.ts'

/** A ProviderStore in memory, under the same contract tests as the one on tables. */
export function memoryProviderStore(): ProviderStore {
  const providers = new Map<string, Versioned<Provider>>()
  let writes = 0
  return {
    async find({ providerId }) {
      return structuredClone(providers.get(providerId))
    },
    async put({ providerId }, provider, version) {
      if ((providers.get(providerId)?.version ?? null) !== version) return 'stale'
      providers.set(providerId, { value: structuredClone(provider), version: String(++writes) })
      return 'stored'
    },
  }
}
