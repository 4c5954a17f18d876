import { countOf } from '../../domain/usage/counters.ts'
import { partitionName, splitByPartition } from '../../domain/usage/partition.ts'
import type { UsageBatch, UsagePartition } from '../../domain/usage/usage.ts'
import { type PartitionCounter, partitionCounter } from './aggregate-usage.ts'
import type { CommitOptions } from './commit-batches.ts'

/** How many uses of a batch were added, had been added before, or came for a sealed day and are kept aside. */
export interface SubmitResult {
  readonly applied: number
  readonly duplicate: number
  readonly late: number
}

export interface UsageAggregator {
  /**
   * Counts a batch in every partition that it touches, each once, however often and wherever else it is submitted.
   * Resolves when all of them hold it. Throws when one could not be reached: submit it again later.
   */
  submit(batch: UsageBatch): Promise<SubmitResult>
}

const PARTITIONS_MAX = 32

/** Keeps one counter per partition, and what each knows of its partition, for the partitions used last. */
export function usageAggregator(options: CommitOptions): UsageAggregator {
  const counters = new Map<string, PartitionCounter>()

  const counterOf = (partition: UsagePartition): PartitionCounter => {
    const name = partitionName(partition)
    const counter = counters.get(name) ?? partitionCounter(partition, options)
    counters.delete(name)
    // Before it joins: it is idle until it is given its first batch, and must not be the one to go.
    forgetOldest(counters)
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

/** One that is at work stays: a second one beside it would fight with it over the fence. */
function forgetOldest(counters: Map<string, PartitionCounter>): void {
  for (const [name, counter] of counters) {
    if (counters.size < PARTITIONS_MAX) return
    if (counter.isIdle()) counters.delete(name)
  }
}
