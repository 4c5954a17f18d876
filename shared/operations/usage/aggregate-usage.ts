import pLimit, { type LimitFunction } from 'p-limit'
import { countOf, keyName } from '../../domain/usage/counters.ts'
import { partitionName, splitByPartition } from '../../domain/usage/partition.ts'
import type { UsageBatch, UsagePartition } from '../../domain/usage/usage.ts'
import type { CommitOptions, PartitionBatch } from './commit-batches.ts'
import { countersCache } from './counters-cache.ts'
import { addTallies, type BatchTally, isolateRefused } from './isolate-refused.ts'

/**
 * How many uses of a batch were added, were duplicates, came for a sealed day and were stored as late, or were refused
 * by the store for what is in them.
 */
export type SubmitResult = BatchTally

export interface UsageAggregator {
  /**
   * Counts a batch in every partition that it touches. Idempotent: each partition counts it once, however often and
   * wherever it is submitted. Resolves when all partitions hold the batch, but for its `refused` uses. Throws when one
   * did not: submit it again.
   */
  submit(batch: UsageBatch): Promise<SubmitResult>
}

interface AggregatorOptions extends Omit<CommitOptions, 'counters'>, Partial<Pick<CommitOptions, 'counters'>> {
  /** The pause of a partition after a commit, in ms; 0 by default. */
  readonly pauseMs?: number
}

const PARTITIONS_MAX = 32
const ROWS_MAX = 100
/** Few, so that a partition's batches gather while others commit: fewer and larger transactions under load. */
const COMMITS_AT_ONCE = 4
/** So many waiting batches end the pause of their partition: they fill most of a transaction. */
const BATCHES_FULL = 40

/** Keeps one counter per partition for the 32 partitions used last, and one bounded cache for all of them. */
export function usageAggregator(given: AggregatorOptions): UsageAggregator {
  const options = { ...given, counters: given.counters ?? countersCache() }
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
      const parts = splitByPartition(deltas).map((part) => {
        const batch = { batchId, ackedBelow, count: countOf(part.deltas), at }
        return counterOf(part.partition).count({ batch, deltas: part.deltas })
      })
      await Promise.allSettled(parts)
      return (await Promise.all(parts)).reduce(addTallies)
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
  count(given: PartitionBatch): Promise<BatchTally>
  isIdle(): boolean
}

interface Entry extends PartitionBatch {
  readonly keys: ReadonlySet<string>
  readonly tally: PromiseWithResolvers<BatchTally>
}

/**
 * Merges waiting batches into one transaction after another, with a pause after each: a busy partition writes its counters
 * once per pause, not once per message. Never counts a batch beside a copy that is in flight.
 */
function partitionCounter(
  partition: UsagePartition,
  options: CommitOptions & Pick<AggregatorOptions, 'pauseMs'>,
  slots: LimitFunction,
): PartitionCounter {
  const commit = isolateRefused(partition, options)
  const waiting: Entry[] = []
  const inFlight = new Map<string, Promise<BatchTally>>()
  const pause = pauseAfterCommit(options.scheduler, options.pauseMs ?? 0)
  let running = false

  const commitGroup = async (group: readonly Entry[]): Promise<void> => {
    try {
      const tallies = await commit(group)
      for (const { batch, tally } of group) tally.resolve(tallies.get(batch.batchId) ?? asDuplicate(batch.count))
    } catch (error) {
      for (const { tally } of group) tally.reject(error)
    }
    for (const { batch } of group) inFlight.delete(batch.batchId)
  }

  /** Starts in the next turn, so that batches submitted together are committed together. */
  const run = async (): Promise<void> => {
    running = true
    await Promise.resolve()
    const rowsMax = options.rowsPerTransaction ?? ROWS_MAX
    while (waiting.length > 0) {
      if (waiting.length < BATCHES_FULL) await pause.ended()
      await slots(() => commitGroup(takeGroup(waiting, rowsMax)))
      pause.begin()
    }
    running = false
  }

  return {
    isIdle: () => !running,
    count: ({ batch, deltas }) => {
      const same = inFlight.get(batch.batchId)
      if (same !== undefined) return same.then(countedBefore)
      const tally = Promise.withResolvers<BatchTally>()
      waiting.push({ batch, deltas, keys: new Set(deltas.map(keyName)), tally })
      inFlight.set(batch.batchId, tally.promise)
      if (waiting.length >= BATCHES_FULL) pause.end()
      if (!running) void run()
      return tally.promise
    },
  }
}

/** The pause that a partition makes after a commit. */
function pauseAfterCommit(scheduler: CommitOptions['scheduler'], pauseMs: number) {
  let pausing = Promise.withResolvers<void>()
  let cancel: (() => void) | undefined
  pausing.resolve()
  const end = () => {
    cancel?.()
    pausing.resolve()
  }
  return {
    begin(): void {
      if (pauseMs === 0) return
      end()
      pausing = Promise.withResolvers()
      cancel = scheduler.after(pauseMs, pausing.resolve)
    },
    end,
    ended: () => pausing.promise,
  }
}

/** The tally of a second delivery of a batch whose first had this one. */
function countedBefore(tally: BatchTally): BatchTally {
  return { ...tally, applied: 0, duplicate: tally.applied + tally.duplicate }
}

function asDuplicate(count: number): BatchTally {
  return { applied: 0, duplicate: count, late: 0, refused: 0, refusal: null }
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
