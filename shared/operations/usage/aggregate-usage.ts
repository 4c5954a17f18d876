import { keyName } from '../../domain/usage/counters.ts'
import type { UsagePartition } from '../../domain/usage/usage.ts'
import { type BatchOutcome, type CommitOptions, commitBatches, type PartitionBatch } from './commit-batches.ts'

/** The one writer of a partition in this process. */
export interface PartitionCounter {
  /** Resolves when the store holds the result. Throws when it could not be learnt; then the batch may or may not count. */
  count(given: PartitionBatch): Promise<BatchOutcome>
  isIdle(): boolean
}

interface Entry extends PartitionBatch {
  readonly keys: ReadonlySet<string>
  readonly outcome: PromiseWithResolvers<BatchOutcome>
}

const ROWS_MAX = 100

/** Merges whatever waits into one transaction after the other. A batch that waits already is not counted beside itself. */
export function partitionCounter(partition: UsagePartition, options: CommitOptions): PartitionCounter {
  const settle = commitBatches(partition, options)
  const waiting: Entry[] = []
  const underWay = new Map<string, Promise<BatchOutcome>>()
  let running = false

  const settleGroup = async (group: readonly Entry[]): Promise<void> => {
    try {
      const outcomes = await settle(group)
      for (const { batch, outcome } of group) outcome.resolve(outcomes.get(batch.batchId) ?? 'duplicate')
    } catch (error) {
      for (const { outcome } of group) outcome.reject(error)
    }
    for (const { batch } of group) underWay.delete(batch.batchId)
  }

  /** Starts in the next turn, so that what is submitted together is committed together. */
  const run = async (): Promise<void> => {
    running = true
    await Promise.resolve()
    while (waiting.length > 0) await settleGroup(takeGroup(waiting, options.rowsPerTransaction ?? ROWS_MAX))
    running = false
  }

  return {
    isIdle: () => !running,
    count: ({ batch, deltas }) => {
      const same = underWay.get(batch.batchId)
      if (same !== undefined) return same.then((outcome) => (outcome === 'applied' ? 'duplicate' : outcome))
      const outcome = Promise.withResolvers<BatchOutcome>()
      waiting.push({ batch, deltas, keys: new Set(deltas.map(keyName)), outcome })
      underWay.set(batch.batchId, outcome.promise)
      if (!running) void run()
      return outcome.promise
    },
  }
}

/** From the front, as many as one transaction holds beside the fence, and at least one: a message is never split. */
function takeGroup(waiting: Entry[], rowsMax: number): readonly Entry[] {
  const keys = new Set<string>()
  let size = 0
  for (const entry of waiting) {
    const added = [...entry.keys].filter((key) => !keys.has(key))
    if (size > 0 && 1 + size + 1 + keys.size + added.length > rowsMax) break
    for (const key of added) keys.add(key)
    size++
  }
  return waiting.splice(0, size)
}
