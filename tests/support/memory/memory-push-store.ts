import type { PushedPart, PushRecord } from '../../../shared/domain/usage/push.ts'
import type { PushAttempt, PushedMessages, PushJournal, PushStore } from '../../../shared/ports/usage-reports.ts'
import { streamed } from './memory-usage-ledger.ts'

export interface StoredPush {
  readonly providerId: string
  record: PushRecord
  messages: readonly string[]
}

/** A PushStore and PushJournal in memory, over `pushes`. */
export function memoryPushStore(pushes = new Map<string, StoredPush>()): PushStore & PushJournal {
  const attempts = new Map<string, PushAttempt & { readonly version: string }>()
  let writes = 0
  const parts = new Map<string, Map<number, PushedPart>>()
  const partsOf = (name: string) => [...(parts.get(name)?.values() ?? [])]

  return {
    begin: async ({ providerId }, attempt) => {
      const name = `${providerId}|${attempt.batchId}`
      if (pushes.has(name)) return 'accepted'
      attempts.set(name, { ...attempt, version: `v${++writes}` })
      return 'begun'
    },
    newestAttempt: async ({ providerId }, batchId) => {
      const name = `${providerId}|${batchId}`
      const accepted = pushes.get(name)?.record
      const open = attempts.get(name)
      if (accepted === undefined) return open && { ...open, isAccepted: false }
      const { attempt, acceptedAt } = accepted
      return { batchId, attempt, startedAt: acceptedAt, isAccepted: true, version: 'accepted' }
    },
    bar: async ({ providerId }, { batchId, version }) => {
      const name = `${providerId}|${batchId}`
      const open = attempts.get(name)
      if (open === undefined || open.version !== version || pushes.has(name)) return 'stale'
      attempts.set(name, { ...open, attempt: 'barred', version: `v${++writes}` })
      return 'barred'
    },
    find: async ({ providerId }, batchId) => pushes.get(`${providerId}|${batchId}`)?.record,
    accept: async ({ providerId }, record, messages) => {
      const name = `${providerId}|${record.batchId}`
      if (pushes.has(name)) return pushes.get(name)?.record.attempt === record.attempt ? 'accepted' : 'overtaken'
      if (attempts.get(name)?.attempt !== record.attempt) return 'overtaken'
      pushes.set(name, { providerId, record, messages })
      return 'accepted'
    },
    unsent: async ({ providerId }, { batchId }) => pushes.get(`${providerId}|${batchId}`)?.messages ?? [],
    markSent: async ({ providerId }, { batchId }) => {
      const stored = pushes.get(`${providerId}|${batchId}`)
      if (stored === undefined) return
      stored.record = { ...stored.record, sent: true }
      stored.messages = []
    },
    parts: async ({ providerId }, batchId) => partsOf(`${providerId}|${batchId}`),
    partApplied: async ({ providerId, batchId, part }, counts) => {
      const name = `${providerId}|${batchId}`
      const counted = parts.get(name) ?? new Map<number, PushedPart>()
      if (!counted.has(part)) counted.set(part, { part, ...counts })
      parts.set(name, counted)
    },
    acceptedBetween: (from, to) =>
      streamed(
        [...pushes]
          .filter(([, { record }]) => record.acceptedAt >= from && record.acceptedAt < to)
          .map(([name, { providerId, record }]) => {
            const { batchId, acceptedAt, accepted, sent } = record
            const counted = partsOf(name).reduce((sum, { applied, late }) => sum + applied + late, 0)
            return { providerId, batchId, acceptedAt, accepted, sent, counted }
          }),
      ),
  }
}

/** The messages of the pushes of a `memoryPushStore`. */
export function memoryPushedMessages(pushes: ReadonlyMap<string, StoredPush>): PushedMessages {
  return {
    erase: async ({ providerId }, erase) => {
      let changed = 0
      for (const push of pushes.values()) {
        if (push.providerId !== providerId) continue
        push.messages = push.messages.map((message) => {
          const erased = erase(message)
          if (erased !== undefined) changed++
          return erased ?? message
        })
      }
      return { changed, next: null }
    },
  }
}
