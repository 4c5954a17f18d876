import type {
  DayCounters,
  PushPart,
  UsageBatch,
  UsageDelta,
  UsageEvent,
  UsagePartition,
} from '../domain/usage/usage.ts'

/** Counts uses, each exactly once. */
export interface UsageRecorder {
  /** Resolves when the use is as safe as the chosen durability says. Throws `usage_unavailable` when it cannot be made so in time. */
  record(event: UsageEvent): Promise<void>
}

/** The wire form of a usage batch. */
export interface UsageCodec {
  encode(batch: UsageBatch): string
  /** Throws an error whose message names what is wrong, without quoting the body. */
  parse(body: string): UsageBatch
  /** Bytes that a delta adds to a message at most: once for its key, and for itself. */
  measure(delta: UsageDelta): { readonly keyBytes: number; readonly deltaBytes: number }
  /** The same batch with its count of re-drives raised by one; undefined for a body that is no usage message. */
  raiseRedrives(body: string): { readonly body: string; readonly redrives: number } | undefined
}

/** Told what became of the parts of pushed batches. */
export interface PushLog {
  /** Called before the part's message may be deleted, perhaps more than once, with the same counts every time. */
  partApplied(part: PushPart, counts: { readonly applied: number; readonly late: number }): Promise<void>
}

/** What came for a sealed partition: kept and reported, never added. */
export interface LateBatch extends AppliedBatch {
  readonly partition: UsagePartition
  readonly deltas: readonly UsageDelta[]
}

export interface LateUsage {
  /** Idempotent for the same batch and partition. */
  put(batch: LateBatch): Promise<void>
  /** All that came late for one day, `YYYYMMDD`. */
  scan(day: string): Promise<readonly LateBatch[]>
}

/** A batch that a partition has counted: the row that makes a second delivery a duplicate. */
export interface AppliedBatch {
  readonly batchId: string
  readonly ackedBelow: number
  /** Events that the batch added to this partition. */
  readonly count: number
  /** ISO 8601 UTC, from the message. */
  readonly at: string
}

/** The fence row of a partition. Every commit moves `fence`, so what was read beside it is valid iff it still holds. */
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
  /** The state read before, whose fence must still hold. */
  readonly meta: PartitionMeta
  readonly applied: readonly AppliedBatch[]
  /** Absolute values after the change. */
  readonly counters: readonly DayCounters[]
}

/** `duplicate`: at least one batch is there already. `fenced`: another writer moved the fence. A throw: unknown, look. */
export type CommitResult =
  | { readonly kind: 'committed'; readonly meta: PartitionMeta }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'fenced' }

/** Counters as a scan finds them. */
export interface ScannedCounters extends DayCounters {
  /** `batches` of the partition after the commit that last changed these counters: grows with every change. */
  readonly version: number
}

/** The counters and their guard, one transaction per change. */
export interface UsageLedger {
  readMeta(partition: UsagePartition): Promise<PartitionMeta>
  readCounters(partition: UsagePartition, keys: readonly KeyRef[]): Promise<readonly DayCounters[]>
  /** All or nothing; at most 100 rows: the meta row, `applied` and `counters` together. */
  commit(partition: UsagePartition, change: PartitionChange): Promise<CommitResult>
  /** Which of these batches the partition has counted. */
  findApplied(partition: UsagePartition, batchIds: readonly string[]): Promise<ReadonlySet<string>>
  /** Moves the fence and refuses every later commit. Idempotent. */
  seal(partition: UsagePartition): Promise<void>
  /** Everything that the partition holds, for reconciliation. `meta` is read first, so the rest is no older. */
  scan(partition: UsagePartition): Promise<{
    readonly meta: PartitionMeta
    readonly applied: readonly AppliedBatch[]
    readonly counters: readonly ScannedCounters[]
  }>
  /** The same without the batches, which by far outnumber the counters: for the roll-up. */
  scanCounters(
    partition: UsagePartition,
  ): Promise<{ readonly meta: PartitionMeta; readonly counters: readonly ScannedCounters[] }>
}
