import type { CountedKey, PepperRecord } from '../../../shared/domain/keys/pepper-count.ts'
import type { PepperStore } from '../../../shared/ports/keys.ts'
import type { Versioned } from '../../../shared/ports/store.ts'

const PAGE = 2

/** A PepperStore in memory, under the same contract tests as the one on tables, over the keys that `listKeys` returns. */
export function memoryPepperStore(listKeys: () => readonly CountedKey[] = () => []): PepperStore {
  let stored: Versioned<PepperRecord> | undefined
  let writes = 0
  return {
    find: async () => structuredClone(stored),
    async put(record, version) {
      if ((stored?.version ?? null) !== version) return 'stale'
      stored = { value: structuredClone(record), version: String(++writes) }
      return 'stored'
    },
    async keys(after) {
      const start = Number(after ?? 0)
      const all = listKeys()
      const items = all.slice(start, start + PAGE).map(({ pepperVersion, revocation, expiresAt, graceUntil }) => {
        return { pepperVersion, revocation, expiresAt, graceUntil }
      })
      return { items, next: start + PAGE < all.length ? String(start + PAGE) : null }
    },
  }
}
