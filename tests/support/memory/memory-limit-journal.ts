import { type Limit, recordName } from '../../../shared/domain/limits/limit.ts'
import type { JournaledLimit, LimitJournal } from '../../../shared/ports/limits.ts'

/** A LimitJournal in memory, under the same contract tests as the one on the disk. */
export function memoryLimitJournal(): LimitJournal {
  const kept = new Map<string, JournaledLimit>()
  return {
    find(limit) {
      const found = kept.get(addressOf(limit))
      return found && { ...structuredClone(found), limit }
    },
    save(entries) {
      for (const entry of entries) kept.set(addressOf(entry.limit), structuredClone(entry))
    },
  }
}

function addressOf(limit: Limit): string {
  return `${limit.subject}|${recordName(limit)}|${limit.holder ?? ''}`
}
