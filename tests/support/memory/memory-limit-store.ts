import { type Limit, recordName } from '../../../shared/domain/limits/limit.ts'
import type { LimitStore, StoredLimit } from '../../../shared/ports/limits.ts'
import type { Clock } from '../../../shared/ports/runtime.ts'

/** A LimitStore in memory, under the same contract tests as the one on tables. */
export function memoryLimitStore(clock: Clock): LimitStore {
  const stored = new Map<string, StoredLimit>()
  let writes = 0
  const instant = () => ({ fromMs: clock.now().getTime(), toMs: clock.now().getTime() + 1 })
  return {
    read: async (limit) => structuredClone(stored.get(addressOf(limit))),
    async write(limit, record, version) {
      const found = stored.get(addressOf(limit))
      if (found?.version !== version) return { kind: 'stale', found: structuredClone(found) }
      const next = String(++writes)
      stored.set(addressOf(limit), { record: structuredClone(record), version: next })
      return { kind: 'written', version: next, at: instant() }
    },
    tellTime: async () => instant(),
  }
}

function addressOf(limit: Limit): string {
  return `${limit.subject}|${recordName(limit)}`
}
