import type { OneProvider } from '../domain/access/provider-scope.ts'
import type { ProviderDay } from '../domain/usage/provider-totals.ts'
import type { PushedPart, PushRecord } from '../domain/usage/push.ts'
import type { DaySpan } from '../domain/usage/range.ts'
import type { DayCounters, UsagePartition } from '../domain/usage/usage.ts'
import type { Versioned } from './store.ts'
import type { PushLog, ScannedCounters } from './usage.ts'

/** How far the roll-up has copied each partition: a count of batches. A mark that lags costs work, never a use. */
export interface RollUpMarks {
  /** Returns 0 for a partition that was never rolled up. */
  read(partition: UsagePartition): Promise<number>
  write(partition: UsagePartition, batches: number): Promise<void>
}

/** Stores the roll-up's copies. A stored copy is only ever replaced by a later count. */
export interface UsageCopies {
  /** Copies of one day, each key once. Stores the newer ones, and moves each key's last use forward, never back. */
  putKeyDays(scope: OneProvider, copies: readonly ScannedCounters[]): Promise<void>
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
  /** Returns undefined for a missing batch and for another provider's batch. */
  find(scope: OneProvider, batchId: string): Promise<PushRecord | undefined>
  /** Stores the messages, then the record, which accepts the batch. `exists`: the id is taken; stores nothing. */
  accept(scope: OneProvider, record: PushRecord, messages: readonly string[]): Promise<'accepted' | 'exists'>
  /** The messages of an accepted batch that is not marked as sent. */
  unsent(scope: OneProvider, record: PushRecord): Promise<readonly string[]>
  /** Marks the batch and deletes its messages: the queue has acknowledged every one. */
  markSent(scope: OneProvider, record: PushRecord): Promise<void>
  /** The parts that were counted. */
  parts(scope: OneProvider, batchId: string): Promise<readonly PushedPart[]>
}

/** The pushed batches of all providers, for reconciliation. */
export interface PushJournal {
  /** The batches accepted from `from` up to, not including, `to`, with the uses counted so far. */
  acceptedBetween(from: Date, to: Date): Promise<readonly JournaledPush[]>
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
