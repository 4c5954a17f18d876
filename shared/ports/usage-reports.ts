import type { OneProvider } from '../domain/access/provider-scope.ts'
import type { ErasedKey } from '../domain/usage/erasure.ts'
import type { ProviderDay } from '../domain/usage/provider-totals.ts'
import type { PushedPart, PushRecord } from '../domain/usage/push.ts'
import type { DaySpan } from '../domain/usage/range.ts'
import type { DayCounters, UsagePartition } from '../domain/usage/usage.ts'
import type { Versioned } from './store.ts'
import type { ErasureStep, PushLog, ScannedCounters } from './usage.ts'

/** How far the roll-up has copied each partition: a count of batches. A mark that lags costs work, never a use. */
export interface RollUpMarks {
  /** Returns 0 for a partition that was never rolled up. */
  read(partition: UsagePartition): Promise<number>
  write(partition: UsagePartition, batches: number): Promise<void>
  /** Asks for a day `YYYYMMDD` that no roll-up would look at soon. Call after the day's counters were changed. */
  request(day: string): Promise<void>
  /** The days that were asked for. */
  requested(): Promise<readonly RequestedDay[]>
  /** The day was copied; keeps a request that came since. */
  fulfil(day: RequestedDay): Promise<void>
}

export interface RequestedDay {
  readonly day: string
  /** Changes with every request. */
  readonly version: string
}

/** Stores the roll-up's copies. A stored copy is only ever replaced by a later count. */
export interface UsageCopies {
  /** Copies of one day, each key once. Stores the newer ones, and moves each key's last use forward, never back. */
  putKeyDays(scope: OneProvider, copies: readonly ScannedCounters[]): Promise<void>
  /** Takes owner and addresses out of every copy of a key. Idempotent. Returns the number of changed copies. */
  eraseKey(scope: OneProvider, key: ErasedKey): Promise<number>
  findTotals(scope: OneProvider, day: string): Promise<Versioned<ProviderDay> | undefined>
  /** `version` null: stores only if there are none yet. */
  putTotals(scope: OneProvider, totals: ProviderDay, version: string | null): Promise<'stored' | 'stale'>
}

/** What the roll-up has copied. Every method returns days in any order, without days that had no use. */
export interface UsageReports {
  keyDays(scope: OneProvider, keyId: string, span: DaySpan): Promise<readonly DayCounters[]>
  totals(scope: OneProvider, span: DaySpan): Promise<readonly ProviderDay[]>
  /** The days of all keys, streamed. */
  allKeyDays(scope: OneProvider, span: DaySpan): AsyncIterable<DayCounters>
  /** When each key was last used, ISO 8601 UTC; without keys that were never used. */
  lastUsed(scope: OneProvider, keyIds: readonly string[]): Promise<ReadonlyMap<string, string>>
}

/** Pushed batches, from their acceptance to their last part. */
export interface PushStore extends PushLog {
  /** Returns undefined for a batch that was not accepted, and for another provider's batch. */
  find(scope: OneProvider, batchId: string): Promise<PushRecord | undefined>
  /**
   * Opens an attempt to accept a batch. An earlier attempt that is open can never be accepted from then on. `accepted`:
   * the batch is accepted; stores nothing.
   */
  begin(scope: OneProvider, attempt: PushAttempt): Promise<'begun' | 'accepted'>
  /** The newest attempt at a batch, undefined where there was none. */
  newestAttempt(scope: OneProvider, batchId: string): Promise<NewestAttempt | undefined>
  /** Bars an open attempt from ever being accepted. `stale`: it was accepted, or another attempt began, since. */
  bar(scope: OneProvider, attempt: NewestAttempt): Promise<'barred' | 'stale'>
  /**
   * Stores the messages, then the record, which accepts the batch. `overtaken`: the attempt is not open, because
   * another one began, was accepted, or barred it; the record is not stored.
   */
  accept(scope: OneProvider, record: PushRecord, messages: readonly string[]): Promise<'accepted' | 'overtaken'>
  /** The messages of an accepted batch that is not marked as sent. */
  unsent(scope: OneProvider, record: PushRecord): Promise<readonly string[]>
  /** Marks the batch and deletes its messages: the queue has acknowledged every one. */
  markSent(scope: OneProvider, record: PushRecord): Promise<void>
  /** The parts that were counted. */
  parts(scope: OneProvider, batchId: string): Promise<readonly PushedPart[]>
}

/** One try to accept a batch. At most one attempt at a batch is ever accepted. */
export type PushAttempt = Pick<PushRecord, 'batchId' | 'attempt'> & { readonly startedAt: Date }

export interface NewestAttempt extends PushAttempt {
  readonly isAccepted: boolean
  readonly version: string
}

/** The attempt that has claimed the id of an event, for as long as the id is known. */
export interface IdOwner extends Pick<PushRecord, 'batchId' | 'attempt'> {
  readonly expiresAt: Date
}

/** An id that another attempt has claimed. */
export interface HeldId {
  readonly id: string
  readonly owner: IdOwner
  readonly version: string
}

/** The ids of pushed events, each claimed by one attempt. An event counts if the attempt that has its id is accepted. */
export interface EventIds {
  /**
   * Claims ids for an attempt: those that no attempt has, and those in `over`, which are still held as given. Returns the
   * ids that another attempt holds. A crash leaves some claimed.
   */
  claim(scope: OneProvider, ids: readonly string[], owner: IdOwner, over: readonly HeldId[]): Promise<readonly HeldId[]>
}

/** The messages of pushed batches that wait to be sent, and those of attempts that were never accepted. */
export interface PushedMessages {
  /**
   * Replaces the messages of a provider by what `erase` makes of them; undefined leaves one as it is. One bounded step,
   * idempotent where `erase` is.
   */
  erase(scope: OneProvider, erase: (message: string) => string | undefined, after: string | null): Promise<ErasureStep>
}

/** The pushed batches of all providers, for reconciliation. */
export interface PushJournal {
  /** The batches accepted from `from` up to, not including, `to`, with the uses counted so far, streamed. */
  acceptedBetween(from: Date, to: Date): AsyncIterable<JournaledPush>
}

export interface JournaledPush {
  readonly providerId: string
  readonly batchId: string
  readonly acceptedAt: Date
  readonly accepted: number
  /** Whether the queue has acknowledged all of it. */
  readonly sent: boolean
  readonly counted: number
}
