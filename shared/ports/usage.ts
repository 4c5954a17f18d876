import type { ErasedKey } from '../domain/usage/erasure.ts'
import type { MeasuredDelta } from '../domain/usage/message-packing.ts'
import type { PushedPart } from '../domain/usage/push.ts'
import type {
  DayCounters,
  PushPart,
  UsageBatch,
  UsageDelta,
  UsageEvent,
  UsagePartition,
} from '../domain/usage/usage.ts'

/** `degraded`: the local disk has the use, because the queue did not answer. */
export type RecordedUse = 'recorded' | 'degraded'

/** Counts uses, each exactly once. */
export interface UsageRecorder {
  /** Resolves when the use is as durable as the settings require. Throws `usage_unavailable` when it is not so in time. */
  record(event: UsageEvent): Promise<RecordedUse>
}

/** The wire form of a usage batch. */
export interface UsageCodec {
  encode(batch: UsageBatch): string
  /** Throws an error whose message names the faults, without quoting the body. */
  parse(body: string): UsageBatch
  /** Upper bounds of the bytes that a delta adds to a message: once for its key, and for itself. */
  measure(delta: MeasuredDelta): { readonly keyBytes: number; readonly deltaBytes: number }
  /** The body without owner and addresses in the uses of the key, in the same order; undefined where nothing changes, also for a body that is no usage message. */
  erase(body: string, key: ErasedKey): string | undefined
  /** The same batch with its count of re-drives raised by one; undefined for a body that is no usage message. */
  raiseRedrives(body: string): { readonly body: string; readonly redrives: number } | undefined
}

/** Records the outcome of the parts of pushed batches. */
export interface PushLog {
  /**
   * Called at least once before the part's message is deleted, with the same counts every time. Idempotent: the first
   * call stands. `partitions` are those that hold the part.
   */
  partApplied(part: PushPart, counted: Omit<PushedPart, 'part'>): Promise<void>
}

/** A batch that arrived after its partition was sealed: stored and reported, never added. */
export interface LateBatch extends AppliedBatch {
  readonly partition: UsagePartition
  readonly deltas: readonly UsageDelta[]
}

/** `next` is the position after the last row looked at, or null at the end. */
export interface ErasureStep {
  readonly changed: number
  readonly next: string | null
}

export interface LateUsage {
  /** Idempotent for the same batch and partition. Throws `RefusedByStore` as `commit` does. */
  put(batch: LateBatch): Promise<void>
  /** Every late batch of one day, `YYYYMMDD`, streamed. */
  scan(day: string): AsyncIterable<LateBatch>
  /** Takes owner and addresses out of the uses of a key: one bounded step. Idempotent. */
  eraseKey(key: ErasedKey, after: string | null): Promise<ErasureStep>
}

/** A batch that a partition has counted: the row that makes a second delivery a duplicate. */
export interface AppliedBatch {
  readonly batchId: string
  readonly ackedBelow: number
  /** Events that the batch added to this partition. */
  readonly count: number
  /** ISO 8601 UTC, from the message. */
  readonly at: string
  /** The row counts nothing itself: the halves of the batch have rows of their own, `<batch id>~0` and `<batch id>~1`. */
  readonly split?: true
}

/** The fence row of a partition. Every commit moves `fence`: what was read with it is valid iff the fence still matches. */
export interface PartitionMeta {
  /** null while the partition has no row. */
  readonly fence: string | null
  readonly state: 'open' | 'sealed'
  readonly batches: number
  readonly total: number
}

export interface KeyRef {
  readonly providerId: string
  readonly keyId: string
}

export interface PartitionChange {
  /** The state read before, whose fence must still match. */
  readonly meta: PartitionMeta
  readonly applied: readonly AppliedBatch[]
  /** Absolute values after the change. */
  readonly counters: readonly DayCounters[]
}

/** `duplicate`: at least one batch is counted already. `fenced`: another writer moved the fence. After a throw: unknown. */
export type CommitResult =
  | { readonly kind: 'committed'; readonly meta: PartitionMeta }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'fenced' }

/** Counters as a scan finds them. */
export interface ScannedCounters extends DayCounters {
  /** `batches` of the partition after the commit that last changed these counters: grows with every change. */
  readonly version: number
}

/** The months of the ledger, `YYYYMM`. */
export interface UsageMonths {
  exists(month: string): Promise<boolean>
  /** Removes everything that the ledger and the roll-up's marks hold for the month. Idempotent. */
  drop(month: string): Promise<void>
}

export type LedgerRow =
  | { readonly kind: 'batch'; readonly batch: AppliedBatch }
  | { readonly kind: 'counters'; readonly counters: ScannedCounters }

/** The counters and their fence, one transaction per change. */
export interface UsageLedger {
  readMeta(partition: UsagePartition): Promise<PartitionMeta>
  readCounters(partition: UsagePartition, keys: readonly KeyRef[]): Promise<readonly DayCounters[]>
  /**
   * All or nothing; at most 100 rows: the meta row, `applied` and `counters` together. Throws `RefusedByStore` where the
   * store refuses the change for what is in it.
   */
  commit(partition: UsagePartition, change: PartitionChange): Promise<CommitResult>
  /** Those of these batches that the partition has counted, by id: as a whole, or `split` into halves. */
  findApplied(partition: UsagePartition, batchIds: readonly string[]): Promise<ReadonlyMap<string, 'counted' | 'split'>>
  /**
   * Replaces the counters of a key by what `erase` makes of them, without a change of any count, and moves the fence: no
   * process counts on with what it read before. `erase` gets undefined where the key has no counters, and returns
   * undefined to leave everything as it is. It may be called more than once. Also changes a sealed partition.
   */
  eraseCounters(
    partition: UsagePartition,
    key: KeyRef,
    erase: (counters: DayCounters | undefined) => DayCounters | undefined,
  ): Promise<'erased' | 'unchanged'>
  /** Moves the fence and refuses every later commit. Idempotent. */
  seal(partition: UsagePartition): Promise<void>
  /** Everything in the partition, streamed, for reconciliation. `meta` is read first, so the rows are no older. */
  scan(partition: UsagePartition): Promise<{ readonly meta: PartitionMeta; readonly rows: AsyncIterable<LedgerRow> }>
  /** The same without the batches, which by far outnumber the counters: for the roll-up. */
  scanCounters(
    partition: UsagePartition,
  ): Promise<{ readonly meta: PartitionMeta; readonly counters: AsyncIterable<ScannedCounters> }>
}
