import type { ErasureStore, PendingErasure } from '../../../shared/ports/erasures.ts'
import type { Versioned } from '../../../shared/ports/store.ts'

export interface MemoryErasureStore extends ErasureStore {
  held(): readonly PendingErasure[]
}

/** An ErasureStore in memory. */
export function memoryErasureStore(): MemoryErasureStore {
  const erasures = new Map<string, Versioned<PendingErasure>>()
  let writes = 0
  const write = (value: PendingErasure) => erasures.set(value.keyId, { value, version: `v${++writes}` })
  return {
    open: async (erasure) => {
      if (erasures.has(erasure.keyId)) return 'pending'
      write(erasure)
      return 'opened'
    },
    find: async (keyId) => erasures.get(keyId),
    page: async ({ limit, after }) => {
      const ids = [...erasures.keys()].sort().filter((id) => after === null || id > after)
      const items = ids.slice(0, limit).flatMap((id) => erasures.get(id)?.value ?? [])
      return { items, next: ids.length > limit ? (ids[limit - 1] ?? null) : null }
    },
    replace: async (erasure, version) => {
      if (erasures.get(erasure.keyId)?.version !== version) return 'stale'
      write(erasure)
      return 'replaced'
    },
    remove: async (keyId, version) => {
      const found = erasures.get(keyId)
      if (found !== undefined && found.version !== version) return 'stale'
      erasures.delete(keyId)
      return 'removed'
    },
    held: () => [...erasures.values()].map(({ value }) => value),
  }
}
