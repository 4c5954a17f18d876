import { AppError } from '../../domain/errors.ts'
import { isClosedDay } from '../../domain/usage/calendar.ts'
import { addDeltas } from '../../domain/usage/counters.ts'
import type { UsageDelta, UsagePartition } from '../../domain/usage/usage.ts'
import type { Clock, Scheduler } from '../../ports/runtime.ts'
import type { AppliedBatch, LateUsage, UsageLedger } from '../../ports/usage.ts'
import { type KnownState, partitionMemory } from './partition-cache.ts'

/** What a partition did with a batch. `duplicate`: it had counted it before. `late`: it is sealed, the batch is kept aside. */
export type BatchFate = 'applied' | 'duplicate' | 'late'

/** The part of a batch that one partition counts. */
export interface PartitionBatch {
  readonly batch: AppliedBatch
  readonly deltas: readonly UsageDelta[]
}

export interface SettleOptions {
  readonly ledger: UsageLedger
  readonly late: LateUsage
  readonly clock: Pick<Clock, 'now'>
  readonly scheduler: Scheduler
  /** A number in [0, 1), for the spread of retries. */
  readonly jitter: () => number
  /** Where less than 100: what is merged into one transaction. */
  readonly rowsPerTransaction?: number
}

type Fates = Map<string, BatchFate>

const TRIES_MAX = 40
const ERRORS_MAX = 5
const RETRY_STEP_MS = 30

/**
 * Returns a function that counts batches, each with an id of its own, in one transaction: each batch's dedupe row, the
 * counters as absolute values, and the fence under which they were read, all or nothing. Hence at every moment the
 * counters are the sum of exactly those batches that have a row. It throws when it could not learn what became of a
 * batch, which may then count or not: give it the batch again. Run it once at a time per partition.
 */
export function batchSettler(partition: UsagePartition, options: SettleOptions) {
  const { ledger, late, clock, scheduler, jitter } = options
  const memory = partitionMemory(partition, ledger)

  const findDuplicates = async (batches: readonly PartitionBatch[], fates: Fates): Promise<void> => {
    const ids = batches.map(({ batch }) => batch.batchId)
    for (const id of await ledger.findApplied(partition, ids)) fates.set(id, 'duplicate')
  }

  /** No commit can succeed any more, so a batch that has no row now never will. */
  const keepAside = async (batches: readonly PartitionBatch[], fates: Fates): Promise<void> => {
    await findDuplicates(batches, fates)
    for (const { batch, deltas } of openOnes(batches, fates)) {
      await late.put({ ...batch, partition, deltas })
      fates.set(batch.batchId, 'late')
    }
  }

  const commit = async (batches: readonly PartitionBatch[], state: KnownState, fates: Fates): Promise<void> => {
    const deltas = batches.flatMap((one) => one.deltas)
    const counters = addDeltas(state.counters, deltas)
    const applied = batches.map(({ batch }) => batch)
    const result = await ledger.commit(partition, { meta: state.meta, applied, counters })
    if (result.kind === 'committed') {
      memory.advance(result.meta, counters)
      for (const { batchId } of applied) fates.set(batchId, 'applied')
      return
    }
    memory.forget()
    if (result.kind === 'duplicate') await findDuplicates(batches, fates)
  }

  const tryOnce = async (batches: readonly PartitionBatch[], fates: Fates): Promise<void> => {
    const state = await memory.recall(batches.flatMap((one) => one.deltas))
    if (state.meta.state === 'sealed') return keepAside(batches, fates)
    if (!isClosedDay(partition.day, clock.now())) return commit(batches, state, fates)
    memory.forget()
    await ledger.seal(partition)
  }

  return async (batches: readonly PartitionBatch[]): Promise<ReadonlyMap<string, BatchFate>> => {
    const fates: Fates = new Map()
    const errors: unknown[] = []
    for (let tries = 1; tries <= TRIES_MAX && errors.length < ERRORS_MAX; tries++) {
      // After an error it is unknown whether a commit happened: the next try finds its rows, or writes them.
      await tryOnce(openOnes(batches, fates), fates).catch((error: unknown) => errors.push(error))
      if (fates.size === batches.length) return fates
      await pause(scheduler, RETRY_STEP_MS * tries * jitter())
    }
    throw new AppError('store_unavailable', 'The usage could not be counted in time.', { cause: errors.at(-1) })
  }
}

function openOnes(batches: readonly PartitionBatch[], fates: Fates): readonly PartitionBatch[] {
  return batches.filter(({ batch }) => !fates.has(batch.batchId))
}

function pause(scheduler: Scheduler, delayMs: number): Promise<void> {
  return new Promise((resolve) => scheduler.after(delayMs, resolve))
}
