import { AppError } from '../../domain/errors.ts'
import { isClosedDay } from '../../domain/usage/calendar.ts'
import { addDeltas } from '../../domain/usage/counters.ts'
import type { UsageDelta, UsagePartition } from '../../domain/usage/usage.ts'
import type { Clock, Scheduler } from '../../ports/runtime.ts'
import type { AppliedBatch, LateUsage, UsageLedger } from '../../ports/usage.ts'
import { type KnownState, partitionCache } from './partition-cache.ts'

/** What a partition did with a batch. `duplicate`: it had counted it before. `late`: it is sealed, the batch is kept aside. */
export type BatchOutcome = 'applied' | 'duplicate' | 'late'

/** The part of a batch that one partition counts. */
export interface PartitionBatch {
  readonly batch: AppliedBatch
  readonly deltas: readonly UsageDelta[]
}

export interface CommitOptions {
  readonly ledger: UsageLedger
  readonly late: LateUsage
  readonly clock: Pick<Clock, 'now'>
  readonly scheduler: Scheduler
  /** A number in [0, 1), for the spread of retries. */
  readonly jitter: () => number
  /** Where less than 100: what is merged into one transaction. */
  readonly rowsPerTransaction?: number
}

type Outcomes = Map<string, BatchOutcome>

const TRIES_MAX = 40
const ERRORS_MAX = 5
const RETRY_STEP_MS = 30

/**
 * Returns a function that counts batches, each with an id of its own, in one transaction: each batch's dedupe row, the
 * counters as absolute values, and the fence under which they were read, all or nothing. Hence at every moment the
 * counters are the sum of exactly those batches that have a row. It throws when it could not learn what became of a
 * batch, which may then count or not: give it the batch again. Run it once at a time per partition.
 */
export function commitBatches(partition: UsagePartition, options: CommitOptions) {
  const { ledger, late, clock, scheduler, jitter } = options
  const memory = partitionCache(partition, ledger)

  const findDuplicates = async (batches: readonly PartitionBatch[], outcomes: Outcomes): Promise<void> => {
    const ids = batches.map(({ batch }) => batch.batchId)
    for (const id of await ledger.findApplied(partition, ids)) outcomes.set(id, 'duplicate')
  }

  /** No commit can succeed any more, so a batch that has no row now never will. */
  const keepAside = async (batches: readonly PartitionBatch[], outcomes: Outcomes): Promise<void> => {
    await findDuplicates(batches, outcomes)
    for (const { batch, deltas } of openOnes(batches, outcomes)) {
      await late.put({ ...batch, partition, deltas })
      outcomes.set(batch.batchId, 'late')
    }
  }

  const commit = async (batches: readonly PartitionBatch[], state: KnownState, outcomes: Outcomes): Promise<void> => {
    const deltas = batches.flatMap((one) => one.deltas)
    const counters = addDeltas(state.counters, deltas)
    const applied = batches.map(({ batch }) => batch)
    const result = await ledger.commit(partition, { meta: state.meta, applied, counters })
    if (result.kind === 'committed') {
      memory.advance(result.meta, counters)
      for (const { batchId } of applied) outcomes.set(batchId, 'applied')
      return
    }
    memory.forget()
    if (result.kind === 'duplicate') await findDuplicates(batches, outcomes)
  }

  const tryOnce = async (batches: readonly PartitionBatch[], outcomes: Outcomes): Promise<void> => {
    const state = await memory.recall(batches.flatMap((one) => one.deltas))
    if (state.meta.state === 'sealed') return keepAside(batches, outcomes)
    if (!isClosedDay(partition.day, clock.now())) return commit(batches, state, outcomes)
    memory.forget()
    await ledger.seal(partition)
  }

  return async (batches: readonly PartitionBatch[]): Promise<ReadonlyMap<string, BatchOutcome>> => {
    const outcomes: Outcomes = new Map()
    const errors: unknown[] = []
    for (let tries = 1; tries <= TRIES_MAX && errors.length < ERRORS_MAX; tries++) {
      // After an error it is unknown whether a commit happened: the next try finds its rows, or writes them.
      await tryOnce(openOnes(batches, outcomes), outcomes).catch((error: unknown) => errors.push(error))
      if (outcomes.size === batches.length) return outcomes
      await pause(scheduler, RETRY_STEP_MS * tries * jitter())
    }
    throw new AppError('store_unavailable', 'The usage could not be counted in time.', { cause: errors.at(-1) })
  }
}

function openOnes(batches: readonly PartitionBatch[], outcomes: Outcomes): readonly PartitionBatch[] {
  return batches.filter(({ batch }) => !outcomes.has(batch.batchId))
}

function pause(scheduler: Scheduler, delayMs: number): Promise<void> {
  return new Promise((resolve) => scheduler.after(delayMs, resolve))
}
