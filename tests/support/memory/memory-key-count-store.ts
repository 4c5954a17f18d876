import type { KeyCount } from '../../../shared/domain/keys/key-count.ts'
import type { KeyCountStore } from '../../../shared/ports/keys.ts'
import type { Versioned } from '../../../shared/ports/store.ts'

/** A KeyCountStore in memory, under the same contract tests as the one on tables. */
export function memoryKeyCountStore(): KeyCountStore {
  const counts = new Map<string, Versioned<KeyCount>>()
  let writes = 0
  return {
    async find({ providerId }) {
      return structuredClone(counts.get(providerId))
    },
    async put({ providerId }, count, version) {
      if ((counts.get(providerId)?.version ?? null) !== version) return 'stale'
      counts.set(providerId, { value: structuredClone(count), version: String(++writes) })
      return 'stored'
    },
  }
}
