import type { PoisonedMessage, PoisonStore } from '../../../shared/ports/poison.ts'
import { versionedItems } from './versioned-items.ts'

export interface MemoryPoisonStore extends PoisonStore {
  held(): readonly PoisonedMessage[]
}

/** A PoisonStore in memory. */
export function memoryPoisonStore(): MemoryPoisonStore {
  return versionedItems<PoisonedMessage>(({ id }) => id)
}
