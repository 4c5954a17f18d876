import type { ChangeFeed, FedChange } from '../../../shared/ports/keys.ts'

/** A ChangeFeed that lives in memory, held to the same contract as the one on a table. */
export function memoryChangeFeed(): ChangeFeed {
  const told: (FedChange & { readonly atMs: number })[] = []
  return {
    async append(change, at) {
      told.push({ id: String(told.length), change: structuredClone(change), atMs: at.getTime() })
    },
    async read(from) {
      return told.filter(({ atMs }) => atMs >= from.getTime()).map(({ id, change }) => ({ id, change }))
    },
  }
}
