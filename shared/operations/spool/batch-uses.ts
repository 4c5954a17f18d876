import type { MessageDraft } from '../../domain/usage/accumulator.ts'
import { usageAccumulator } from '../../domain/usage/accumulator.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { SpooledBatch, UsageSpool } from '../../ports/spool.ts'
import type { UsageCodec } from '../../ports/usage.ts'

export interface BatchNeeds {
  readonly codec: Pick<UsageCodec, 'encode' | 'measure'>
  /** Keyed hash of a client address, at most 32 ASCII characters. */
  readonly hashIp: (address: string) => string
}

/**
 * Stores the drafts of a producer, which hold all of its loose uses, as batches with the numbers after its last one.
 * `full` changes nothing. `at` is when the uses were recorded.
 */
export function batchUses(
  { codec, hashIp }: BatchNeeds,
  spool: UsageSpool,
  { producer, drafts, at }: { readonly producer: string; readonly drafts: readonly MessageDraft[]; readonly at: Date },
): 'stored' | 'full' {
  const { last, oldestWaiting } = spool.numbering(producer)
  const batches = drafts.map((draft, index): SpooledBatch => {
    const number = last + 1 + index
    const body = codec.encode({
      batchId: `${producer}.${number}`,
      ackedBelow: oldestWaiting ?? last + 1,
      at: at.toISOString(),
      deltas: draft.deltas(hashIp),
      push: null,
    })
    return { producer, number, body, madeAtMs: at.getTime() }
  })
  return batches.length === 0 ? 'stored' : spool.storeBatches(producer, batches)
}

/**
 * Batches the loose uses of killed processes. A batch gets its producer's name and next number, so the sequence of that
 * producer has no gap, and the time of its last use, so reconciliation finds it on its day.
 */
export function batchOrphanedUses(needs: BatchNeeds & { readonly clock: Clock }, spool: UsageSpool): void {
  for (const { producer, events } of spool.loose()) {
    const accumulator = usageAccumulator({ measure: needs.codec.measure, bytesMax: Infinity })
    const nowMs = needs.clock.now().getTime()
    for (const event of events) accumulator.add(event, nowMs)
    const atMs = Math.min(nowMs, ...events.slice(-1).map(({ at }) => at.getTime()))
    batchUses(needs, spool, { producer, drafts: accumulator.waiting, at: new Date(atMs) })
  }
}
