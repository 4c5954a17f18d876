import type { ChangeFeed, FedChange } from '../../../shared/ports/keys.ts'

/** A ChangeFeed in memory, under the same contract tests as the one on a table. */
export function memoryChangeFeed(): ChangeFeed {
  const entries: (FedChange & { readonly atMs: number })[] = []
  return {
    async append(change, at) {
      entries.push({ id: String(entries.length), change: structuredClone(change), atMs: at.getTime() })
    },
    async read(from) {
      return entries.filter(({ atMs }) => atMs >= from.getTime()).map(({ id, change }) => ({ id, change }))
    },
  }
}
