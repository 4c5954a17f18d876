import type { Key } from '../../../shared/domain/keys/key.ts'
import type { UsageEvent } from '../../../shared/domain/usage/usage.ts'
import type { Spool, SpooledBatch } from '../../../shared/ports/spool.ts'

/** A Spool in memory that holds at most `maxBytes`. */
export function memorySpool(maxBytes = Infinity): Spool {
  const loose = new Map<string, { readonly events: UsageEvent[]; bytes: number }>()
  const last = new Map<string, number>()
  const open = new Set<string>()
  const revocations = new Map<string, Key>()
  let batches: SpooledBatch[] = []
  const sizeOf = (events: readonly UsageEvent[]) => Buffer.byteLength(JSON.stringify(events))
  const bytes = () =>
    batches.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0) +
    [...loose.values()].reduce((sum, uses) => sum + uses.bytes, 0)

  return {
    usage: {
      append: (producer, events) => {
        const size = sizeOf(events)
        if (bytes() + size > maxBytes) return 'full'
        const uses = loose.get(producer) ?? { events: [], bytes: 0 }
        uses.events.push(...events)
        uses.bytes += size
        loose.set(producer, uses)
        return 'kept'
      },
      loose: () => [...loose].map(([producer, { events }]) => ({ producer, events })),
      storeBatches: (producer, stored) => {
        batches.push(...stored)
        loose.delete(producer)
        last.set(producer, Math.max(...stored.map(({ number }) => number)))
        return 'stored'
      },
      foldLoose: (producer, events) => {
        loose.set(producer, { events: [...events], bytes: sizeOf(events) })
        return 'kept'
      },
      numbering: (producer) => {
        const waiting = batches.filter((batch) => batch.producer === producer).map(({ number }) => number)
        return {
          last: last.get(producer) ?? 0,
          oldestWaiting: waiting.length === 0 ? undefined : Math.min(...waiting),
        }
      },
      oldest: (limit) => batches.slice(0, limit),
      remove: ({ producer, number }) => {
        batches = batches.filter((batch) => batch.producer !== producer || batch.number !== number)
      },
      fill: () => ({
        batches: batches.length + (loose.size > 0 ? 1 : 0),
        bytes: bytes(),
        oldestMadeAtMs: batches[0]?.madeAtMs,
      }),
      markOpen: (producer) => void open.add(producer),
      unmarkOpen: (producer) => void open.delete(producer),
      openProducers: () => [...open].sort(),
    },
    revocations: {
      put: (key) => {
        if (!revocations.has(key.keyId)) revocations.set(key.keyId, key)
      },
      list: () => [...revocations.values()],
      remove: (keyId) => void revocations.delete(keyId),
    },
  }
}
