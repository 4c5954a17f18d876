import type { ChangeFeed, FedChange } from '../../../shared/ports/keys.ts'
import type { Clock } from '../../../shared/ports/runtime.ts'

/** A ChangeFeed in memory, under the same contract tests as the one on a table. `clock` is the store's. */
export function memoryChangeFeed(clock: Pick<Clock, 'now'>): ChangeFeed {
  const entries: (FedChange & { readonly positionMs: number })[] = []
  return {
    async append(change, at) {
      const nowMs = clock.now().getTime()
      const positionMs = Math.abs(at.getTime() - nowMs) <= 1000 ? at.getTime() : nowMs
      entries.push({ id: String(entries.length), change: structuredClone(change), positionMs })
    },
    async read(from) {
      // As precise as the header `Date`.
      const fromMs = Math.floor(clock.now().getTime() / 1000) * 1000
      return {
        changes: entries
          .filter(({ positionMs }) => positionMs >= from.getTime())
          .map(({ id, change }) => ({ id, change })),
        at: { fromMs, toMs: fromMs + 1000 },
      }
    },
  }
}
