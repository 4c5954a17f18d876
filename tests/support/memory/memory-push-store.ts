import type { PushedPart, PushRecord } from '../../../shared/domain/usage/push.ts'
import type { PushJournal, PushStore } from '../../../shared/ports/usage-reports.ts'

interface StoredPush {
  readonly providerId: string
  record: PushRecord
  messages: readonly string[]
}

/** A PushStore and PushJournal in memory. */
export function memoryPushStore(): PushStore & PushJournal {
  const pushes = new Map<string, StoredPush>()
  const parts = new Map<string, Map<number, PushedPart>>()
  const partsOf = (name: string) => [...(parts.get(name)?.values() ?? [])]

  return {
    find: async ({ providerId }, batchId) => pushes.get(`${providerId}|${batchId}`)?.record,
    accept: async ({ providerId }, record, messages) => {
      const name = `${providerId}|${record.batchId}`
      if (pushes.has(name)) return 'exists'
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
    acceptedBetween: async (from, to) =>
      [...pushes]
        .filter(([, { record }]) => record.acceptedAt >= from && record.acceptedAt < to)
        .map(([name, { providerId, record }]) => {
          const { batchId, acceptedAt, accepted, sent } = record
          const counted = partsOf(name).reduce((sum, { applied, late }) => sum + applied + late, 0)
          return { providerId, batchId, acceptedAt, accepted, sent, counted }
        }),
  }
}
