import type { PoisonedMessage, PoisonStore } from '../../../shared/ports/poison.ts'
import type { Versioned } from '../../../shared/ports/store.ts'

export interface MemoryPoisonStore extends PoisonStore {
  held(): readonly PoisonedMessage[]
}

/** A PoisonStore in memory. */
export function memoryPoisonStore(): MemoryPoisonStore {
  const messages = new Map<string, Versioned<PoisonedMessage>>()
  let writes = 0
  return {
    put: async (value) => {
      messages.set(value.id, { value, version: `v${++writes}` })
    },
    find: async (id) => messages.get(id),
    page: async ({ limit, after }) => {
      const ids = [...messages.keys()].sort().filter((id) => after === null || id > after)
      const items = ids.slice(0, limit).flatMap((id) => messages.get(id) ?? [])
      return { items, next: ids.length > limit ? (ids[limit - 1] ?? null) : null }
    },
    replace: async (value, version) => {
      if (messages.get(value.id)?.version !== version) return 'stale'
      messages.set(value.id, { value, version: `v${++writes}` })
      return 'replaced'
    },
    remove: async (id, version) => {
      const found = messages.get(id)
      if (found !== undefined && found.version !== version) return 'stale'
      messages.delete(id)
      return 'removed'
    },
    held: () => [...messages.values()].map(({ value }) => value),
  }
}
