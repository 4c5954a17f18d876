import type { Key } from './domain/key.ts'
import type { Provider } from './domain/provider.ts'
import type { OneProvider, ProviderScope } from './domain/provider-scope.ts'
import type { DayCounters, PushPart, UsageBatch, UsageDelta, UsageEvent, UsagePartition } from './domain/usage.ts'

/** A value and the store's token for this state of it; a write that presents an older token is refused. */
export interface Versioned<T> {
  readonly value: T
  readonly version: string
}

/** `next` is the position after the last item looked at, or null at the end. A page may hold fewer items than asked for. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

export interface PageRequest {
  /** 1..100. */
  readonly limit: number
  /** `next` of the page before, or null for the first. */
  readonly after: string | null
}

/** Keys, each one authoritative row under its digest. Every method throws `store_unavailable` when the store cannot be asked. */
export interface KeyStore {
  /** Writes pointers first and the key last. `exists`: a key with this id or digest is there already. */
  create(key: Key): Promise<'created' | 'exists'>
  /** One point read. */
  findByDigest(scope: ProviderScope, digest: string): Promise<Key | undefined>
  /** Undefined for a missing key and for one outside the scope alike. */
  findById(scope: ProviderScope, keyId: string): Promise<Versioned<Key> | undefined>
  /** Replaces the row if it is still at `version`. Digest, id and provider never change. */
  replace(key: Key, version: string): Promise<'replaced' | 'stale'>
  /** Newest first within a page where the store sorts; every key exactly once over all pages. */
  page(scope: OneProvider, request: PageRequest): Promise<Page<Key>>
}

export interface ProviderStore {
  find(scope: OneProvider): Promise<Versioned<Provider> | undefined>
  /** `version` null means: there must be none yet. */
  put(scope: OneProvider, provider: Provider, version: string | null): Promise<'stored' | 'stale'>
}

/** An answer as it may be replayed: without any secret. */
export interface StoredAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** What is known of one use of an Idempotency-Key by one caller. */
export interface IdempotencyRecord {
  readonly callerId: string
  /** SHA-256 of the Idempotency-Key, hex: the header is free text, a row key is not. */
  readonly keyDigest: string
  /** SHA-256 of method, path and body, hex. */
  readonly requestDigest: string
  /** A time-ordered id for whatever the call creates, so that a second try creates the same thing. */
  readonly seed: string
  readonly startedAt: Date
  readonly expiresAt: Date
  /** null while the call is under way. */
  readonly answer: StoredAnswer | null
}

export interface IdempotencyStore {
  insert(record: IdempotencyRecord): Promise<'inserted' | 'exists'>
  find(callerId: string, keyDigest: string): Promise<Versioned<IdempotencyRecord> | undefined>
  replace(record: IdempotencyRecord, version: string): Promise<'replaced' | 'stale'>
  /** Removes the record if it is still this try's: another one, begun at another time, stays. */
  remove(record: IdempotencyRecord): Promise<void>
}

/** One bounded step of a clean-up. `next` continues after the last row looked at; null when none is left. */
interface SweepStep {
  readonly looked: number
  readonly removed: number
  readonly next: string | null
}

/** Removes what has outlived its use. A sweep that stops half-way leaves nothing worse than the rest to the next one. */
export interface Sweeper {
  step(now: Date, after: string | null): Promise<SweepStep>
}

export interface Clock {
  now(): Date
  /** Milliseconds since some fixed moment, never going back: for ages, where a wall clock could be set. */
  monotonicMs(): number
}

export interface Random {
  /** Cryptographically secure bytes. */
  bytes(size: number): Uint8Array
  /** A time-ordered ULID: 26 characters of Crockford base32. */
  id(): string
}

/** Delayed work, so that tests own the time. */
export interface Scheduler {
  /** Runs `task` once, `delayMs` from now; the returned function cancels it. */
  after(delayMs: number, task: () => void): () => void
}

/** Work that goes on beside the calls, such as a poll. */
export interface Background {
  start(): void
  /** Resolves when nothing of it is under way any more. */
  stop(): Promise<void>
}

/** Writes one structured line. No message and no field ever holds a secret. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void

/** One delivery of a queue message; the same message may be delivered again, to anyone. */
export interface ReceivedMessage {
  readonly id: string
  readonly receipt: string
  readonly body: string
  /** How often this message was delivered, this time included. */
  readonly dequeueCount: number
  /** When the queue drops the message unread; null for never. */
  readonly expiresAt: Date | null
}

/** An at-least-once queue without order. Bodies are UTF-8 text of at most 48 KiB. */
export interface MessageQueue {
  /** Resolves once the queue has acknowledged; a rejection says nothing about whether the message arrived. Never expires. */
  send(body: string): Promise<void>
  /** At most 32, hidden from others for `hiddenSeconds`. Empty when there is none. */
  receive(limit: number, hiddenSeconds: number): Promise<readonly ReceivedMessage[]>
  /** Deletes this delivery's message; one that is gone, or delivered again since, is no error. */
  remove(message: ReceivedMessage): Promise<void>
  /** Approximate number of messages, hidden ones included. */
  depth(): Promise<number>
}

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
