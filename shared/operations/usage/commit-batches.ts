import { AppError, RefusedByStore } from '../../domain/errors.ts'
import { dayName, dayOfHour, isClosedDay } from '../../domain/usage/calendar.ts'
import { addDeltas, keyName } from '../../domain/usage/counters.ts'
import type { UsageDelta, UsagePartition } from '../../domain/usage/usage.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { Clock, Scheduler } from '../../ports/runtime.ts'
import type { AppliedBatch, LateUsage, UsageLedger } from '../../ports/usage.ts'
import type { CountersCache } from './counters-cache.ts'
import { erasedDays, withoutErased } from './erased-uses.ts'
import { type CachedState, partitionCache } from './partition-cache.ts'

/**
 * The outcome of a batch in one partition. `duplicate`: counted before. `late`: sealed, so the batch is stored as late.
 * `split`: its halves are counted, each under its own id.
 */
export type BatchOutcome = 'applied' | 'duplicate' | 'late' | 'split'

/** The part of a batch that one partition counts. */
export interface PartitionBatch {
  readonly batch: AppliedBatch
  readonly deltas: readonly UsageDelta[]
  /** Commits only the row that says that the halves of the batch are counted, each under its own id. */
  readonly asSplit?: true
}

export interface CommitOptions {
  readonly ledger: UsageLedger
  readonly late: LateUsage
  /** Shared by all partitions, so that what they cache together is bounded. */
  readonly counters: CountersCache
  /** Asked for keys whose uses come late: an erased one gets back neither owner nor address. */
  readonly keys: Pick<KeyStore, 'findById'>
  readonly clock: Pick<Clock, 'now'>
  readonly scheduler: Scheduler
  /** Returns a number in [0, 1): the full jitter of the backoff. */
  readonly jitter: () => number
  /** Bounds the rows of a merged transaction; 100 by default. */
  readonly rowsPerTransaction?: number
}

type Outcomes = Map<string, BatchOutcome>

const TRIES_MAX = 40
const ERRORS_MAX = 5
const BACKOFF_STEP_MS = 30

/**
 * Returns a function that counts batches with distinct ids in one atomic transaction: a dedupe row for each batch, the
 * counters as absolute values, and the fence under which the counters were read. Hence the counters are always the sum
 * of exactly the batches that have a row. The function throws `RefusedByStore` when the store refuses the transaction
 * for what is in it, and `store_unavailable` when the result of a commit is unknown: a batch may or may not count, so
 * submit it again. Run one call at a time per partition.
 */
export function commitBatches(partition: UsagePartition, options: CommitOptions) {
  const { ledger, late, clock, scheduler, jitter } = options
  const cache = partitionCache(partition, ledger, options.counters)

  const findDuplicates = async (batches: readonly PartitionBatch[], outcomes: Outcomes): Promise<void> => {
    const ids = batches.map(({ batch }) => batch.batchId)
    for (const [id, how] of await ledger.findApplied(partition, ids)) {
      outcomes.set(id, how === 'split' ? how : 'duplicate')
    }
  }

  /** A sealed partition refuses every commit, so a batch that has no row now never gets one. */
  const storeLate = async (batches: readonly PartitionBatch[], outcomes: Outcomes): Promise<void> => {
    await findDuplicates(batches, outcomes)
    for (const { batch, deltas } of withoutOutcome(batches, outcomes)) {
      await late.put({ ...batch, partition, deltas: await withoutErased(options.keys, deltas) })
      outcomes.set(batch.batchId, 'late')
    }
  }

  const commit = async (batches: readonly PartitionBatch[], state: CachedState, outcomes: Outcomes): Promise<void> => {
    const deltas = batches.flatMap(countedDeltas)
    const isSuspect = mayBeErased(state, dayName(clock.now(), 1))
    const marks = await erasedDays(options.keys, partition, deltas.filter(isSuspect))
    const counters = addDeltas((name) => state.counters(name) ?? marks.get(name), deltas)
    const applied = batches.map(toApplied)
    const result = await ledger.commit(partition, { meta: state.meta, applied, counters })
    if (result.kind === 'committed') {
      cache.advance(result.meta, counters)
      for (const batch of applied) outcomes.set(batch.batchId, outcomeOf(batch))
      return
    }
    cache.invalidate()
    if (result.kind === 'duplicate') await findDuplicates(batches, outcomes)
  }

  const tryOnce = async (batches: readonly PartitionBatch[], outcomes: Outcomes): Promise<void> => {
    const state = await cache.read(batches.flatMap((batch) => batch.deltas))
    if (state.meta.state === 'sealed') return storeLate(batches, outcomes)
    if (!isClosedDay(partition.day, clock.now())) return commit(batches, state, outcomes)
    cache.invalidate()
    await ledger.seal(partition)
  }

  return async (batches: readonly PartitionBatch[]): Promise<ReadonlyMap<string, BatchOutcome>> => {
    const outcomes: Outcomes = new Map()
    const errors: unknown[] = []
    for (let tries = 1; tries <= TRIES_MAX && errors.length < ERRORS_MAX; tries++) {
      // After an error it is unknown whether the commit happened: the next try finds the rows, or writes them.
      await tryOnce(withoutOutcome(batches, outcomes), outcomes).catch((error: unknown) => {
        if (error instanceof RefusedByStore) throw error
        errors.push(error)
      })
      if (outcomes.size === batches.length) return outcomes
      await pause(scheduler, BACKOFF_STEP_MS * tries * jitter())
    }
    throw new AppError('store_unavailable', 'The usage could not be counted in time.', { cause: errors.at(-1) })
  }
}

/**
 * Uses that come so late that their key may have been erased since, where the day has no counters of the key that would
 * say so. An erasure leaves such counters for the days around it. After it, every use of the key is one of a revoked key.
 */
function mayBeErased({ counters }: CachedState, yesterday: string): (delta: UsageDelta) => boolean {
  return (delta) =>
    (delta.outcome === 'REVOKED' || dayOfHour(delta.hour) < yesterday) && counters(keyName(delta)) === undefined
}

function outcomeOf({ split }: AppliedBatch): BatchOutcome {
  return split ? 'split' : 'applied'
}

function countedDeltas({ deltas, asSplit }: PartitionBatch): readonly UsageDelta[] {
  return asSplit ? [] : deltas
}

function toApplied({ batch, asSplit }: PartitionBatch): AppliedBatch {
  return asSplit ? { ...batch, count: 0, split: asSplit } : batch
}

function withoutOutcome(batches: readonly PartitionBatch[], outcomes: Outcomes): readonly PartitionBatch[] {
  return batches.filter(({ batch }) => !outcomes.has(batch.batchId))
}

function pause(scheduler: Scheduler, delayMs: number): Promise<void> {
  return new Promise((resolve) => scheduler.after(delayMs, resolve))
}
