import { RefusedByStore } from '../../domain/errors.ts'
import { countOf } from '../../domain/usage/counters.ts'
import type { UsagePartition } from '../../domain/usage/usage.ts'
import { type BatchOutcome, type CommitOptions, commitBatches, type PartitionBatch } from './commit-batches.ts'

/** The uses of a batch in one partition by outcome. `refused`: in no counter, because the store refuses them. */
export interface BatchTally {
  readonly applied: number
  readonly duplicate: number
  readonly late: number
  readonly refused: number
  /** Why the store refused uses; null when it refused none. */
  readonly refusal: string | null
}

const nothing: BatchTally = { applied: 0, duplicate: 0, late: 0, refused: 0, refusal: null }

type Tallies = Map<string, BatchTally>

/**
 * Returns a function that counts batches with distinct ids. A transaction that the store refuses for what is in it is
 * halved until the culprit is alone, first by batches, then inside a batch; the rest counts. A batch whose deltas are
 * halved gets a row `split` in the place of its dedupe row, and each half is counted under an id of its own. The halves
 * depend on the batch alone, so any process that gets it again, at any time, finds every part that was counted. Throws
 * as `commitBatches` does, but for `RefusedByStore`. Run one call at a time per partition.
 */
export function isolateRefused(partition: UsagePartition, options: CommitOptions) {
  const commit = commitBatches(partition, options)

  const countHalves = async ({ batch, deltas }: PartitionBatch): Promise<BatchTally> => {
    const middle = Math.ceil(deltas.length / 2)
    const halves = [deltas.slice(0, middle), deltas.slice(middle)].map((half, index) => ({
      batch: { ...batch, batchId: halfId(batch.batchId, index), count: countOf(half) },
      deltas: half,
    }))
    return [...(await count(halves)).values()].reduce(addTallies, nothing)
  }

  const tallyOf = async (counted: PartitionBatch, outcome: BatchOutcome = 'duplicate'): Promise<BatchTally> => {
    return outcome === 'split' ? countHalves(counted) : { ...nothing, [outcome]: countOf(counted.deltas) }
  }

  /** Counts one batch whose whole the store refuses. */
  const countRefused = async (refused: PartitionBatch, { message }: RefusedByStore): Promise<BatchTally> => {
    const alone = { ...nothing, refused: countOf(refused.deltas), refusal: message }
    if (refused.deltas.length <= 1) return alone
    const outcomes = await unlessRefused(commit([{ ...refused, asSplit: true }]))
    return outcomes instanceof RefusedByStore ? alone : tallyOf(refused, outcomes.get(refused.batch.batchId))
  }

  const countInHalves = async (batches: readonly PartitionBatch[]): Promise<Tallies> => {
    const middle = Math.ceil(batches.length / 2)
    const first = await count(batches.slice(0, middle))
    return new Map([...first, ...(await count(batches.slice(middle)))])
  }

  const count = async (batches: readonly PartitionBatch[]): Promise<Tallies> => {
    const outcomes = await unlessRefused(commit(batches))
    if (outcomes instanceof RefusedByStore && batches.length > 1) return countInHalves(batches)
    const tallies: Tallies = new Map()
    for (const one of batches) {
      const { batchId } = one.batch
      const isRefused = outcomes instanceof RefusedByStore
      tallies.set(batchId, await (isRefused ? countRefused(one, outcomes) : tallyOf(one, outcomes.get(batchId))))
    }
    return tallies
  }

  return count
}

/** The result, or the refusal as a value. */
async function unlessRefused<T>(work: Promise<T>): Promise<T | RefusedByStore> {
  try {
    return await work
  } catch (error) {
    if (error instanceof RefusedByStore) return error
    throw error
  }
}

/** `<batch id>~0`, the halves of that `<batch id>~00`, and so on: no id of a message contains a `~`. */
function halfId(batchId: string, index: number): string {
  return batchId.includes('~') ? `${batchId}${index}` : `${batchId}~${index}`
}

/** Adds up the tallies of parts. */
export function addTallies(a: BatchTally, b: BatchTally): BatchTally {
  return {
    applied: a.applied + b.applied,
    duplicate: a.duplicate + b.duplicate,
    late: a.late + b.late,
    refused: a.refused + b.refused,
    refusal: a.refusal ?? b.refusal,
  }
}
