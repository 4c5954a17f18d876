import type { IdempotencyRecord, IdempotencyStore } from '../../../shared/ports/idempotency.ts'
import type { Versioned } from '../../../shared/ports/store.ts'

/** An IdempotencyStore in memory, under the same contract tests as the one on tables. */
export function memoryIdempotencyStore(): IdempotencyStore {
  const records = new Map<string, Versioned<IdempotencyRecord>>()
  let writes = 0

  function write(record: IdempotencyRecord): void {
    records.set(addressOf(record), { value: structuredClone(record), version: String(++writes) })
  }

  return {
    async insert(record) {
      if (records.has(addressOf(record))) return 'exists'
      write(record)
      return 'inserted'
    },
    async find(callerId, keyDigest) {
      return structuredClone(records.get(addressOf({ callerId, keyDigest })))
    },
    async replace(record, version) {
      if (records.get(addressOf(record))?.version !== version) return 'stale'
      write(record)
      return 'replaced'
    },
    async remove(record) {
      const found = records.get(addressOf(record))?.value
      if (found?.startedAt.getTime() === record.startedAt.getTime()) records.delete(addressOf(record))
    },
  }
}

function addressOf({ callerId, keyDigest }: Pick<IdempotencyRecord, 'callerId' | 'keyDigest'>): string {
  return `${callerId}|${keyDigest}`
}
