import pLimit, { type LimitFunction } from 'p-limit'
import { countOf, keyName } from '../../domain/usage/counters.ts'
import { partitionName, splitByPartition } from '../../domain/usage/partition.ts'
import type { UsageBatch, UsagePartition } from '../../domain/usage/usage.ts'
import { type BatchOutcome, type CommitOptions, commitBatches, type PartitionBatch } from './commit-batches.ts'

/** How many uses of a batch were added, were duplicates, or came for a sealed day and were stored as late. */
export interface SubmitResult {
  readonly applied: number
  readonly duplicate: number
  readonly late: number
}

export interface UsageAggregator {
  /**
   * Counts a batch in every partition that it touches. Idempotent: each partition counts it once, however often and
   * wherever it is submitted. Resolves when all partitions hold the batch. Throws when one did not: submit it again.
   */
  submit(batch: UsageBatch): Promise<SubmitResult>
}

const PARTITIONS_MAX = 32
const ROWS_MAX = 100
/** Few, so that a partition's batches gather while others commit: fewer and larger transactions under load. */
const COMMITS_AT_ONCE = 4

/** Keeps one counter per partition, each with its cache, for the 32 partitions used last. */
export function usageAggregator(options: CommitOptions): UsageAggregator {
  const counters = new Map<string, PartitionCounter>()
  const slots = pLimit(COMMITS_AT_ONCE)

  const counterOf = (partition: UsagePartition): PartitionCounter => {
    const name = partitionName(partition)
    const counter = counters.get(name) ?? partitionCounter(partition, options, slots)
    counters.delete(name)
    // Before the counter joins: it is idle until its first batch, and must not be evicted.
    evictOldest(counters)
    counters.set(name, counter)
    return counter
  }

  return {
    submit: async ({ batchId, ackedBelow, at, deltas }) => {
      const result = { applied: 0, duplicate: 0, late: 0 }
      const parts = splitByPartition(deltas).map(async (part) => {
        const count = countOf(part.deltas)
        const batch = { batchId, ackedBelow, count, at }
        result[await counterOf(part.partition).count({ batch, deltas: part.deltas })] += count
      })
      const failure = (await Promise.allSettled(parts)).find((part) => part.status === 'rejected')
      if (failure !== undefined) throw failure.reason
      return result
    },
  }
}

/** A busy counter stays: a second one for its partition would compete with it for the fence. */
function evictOldest(counters: Map<string, PartitionCounter>): void {
  for (const [name, counter] of counters) {
    if (counters.size < PARTITIONS_MAX) return
    if (counter.isIdle()) counters.delete(name)
  }
}

/** The one writer of a partition in this process. */
interface PartitionCounter {
  /** Resolves when the store holds the result. Throws when the result is unknown: the batch may or may not count. */
  count(given: PartitionBatch): Promise<BatchOutcome>
  isIdle(): boolean
}

interface Entry extends PartitionBatch {
  readonly keys: ReadonlySet<string>
  readonly outcome: PromiseWithResolvers<BatchOutcome>
}

/** Merges waiting batches into one transaction after another. Never counts a batch beside a copy that is in flight. */
function partitionCounter(partition: UsagePartition, options: CommitOptions, slots: LimitFunction): PartitionCounter {
  const commit = commitBatches(partition, options)
  const waiting: Entry[] = []
  const inFlight = new Map<string, Promise<BatchOutcome>>()
  let running = false

  const commitGroup = async (group: readonly Entry[]): Promise<void> => {
    try {
      const outcomes = await commit(group)
      for (const { batch, outcome } of group) outcome.resolve(outcomes.get(batch.batchId) ?? 'duplicate')
    } catch (error) {
      for (const { outcome } of group) outcome.reject(error)
    }
    for (const { batch } of group) inFlight.delete(batch.batchId)
  }

  /** Starts in the next turn, so that batches submitted together are committed together. */
  const run = async (): Promise<void> => {
    running = true
    await Promise.resolve()
    const rowsMax = options.rowsPerTransaction ?? ROWS_MAX
    while (waiting.length > 0) await slots(() => commitGroup(takeGroup(waiting, rowsMax)))
    running = false
  }

  return {
    isIdle: () => !running,
    count: ({ batch, deltas }) => {
      const same = inFlight.get(batch.batchId)
      if (same !== undefined) return same.then((outcome) => (outcome === 'applied' ? 'duplicate' : outcome))
      const outcome = Promise.withResolvers<BatchOutcome>()
      waiting.push({ batch, deltas, keys: new Set(deltas.map(keyName)), outcome })
      inFlight.set(batch.batchId, outcome.promise)
      if (!running) void run()
      return outcome.promise
    },
  }
}

/** As many of the oldest batches as one transaction holds beside the fence, at least one: a batch is never split. */
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
