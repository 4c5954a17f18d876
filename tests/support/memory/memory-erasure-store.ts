import type { ErasureStore, PendingErasure } from '../../../shared/ports/erasures.ts'
import { versionedItems } from './versioned-items.ts'

export interface MemoryErasureStore extends ErasureStore {
  held(): readonly PendingErasure[]
}

/** An ErasureStore in memory. */
export function memoryErasureStore(): MemoryErasureStore {
  const { create, page, ...erasures } = versionedItems<PendingErasure>(({ keyId }) => keyId)
  return {
    ...erasures,
    open: async (erasure) => ((await create(erasure)) ? 'opened' : 'pending'),
    async page(request) {
      const { items, next } = await page(request)
      return { items: items.map(({ value }) => value), next }
    },
  }
}
