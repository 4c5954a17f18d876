import type { OneProvider } from '../domain/access/provider-scope.ts'
import type { ProviderDay } from '../domain/usage/provider-totals.ts'
import type { PushedPart, PushRecord } from '../domain/usage/push.ts'
import type { DaySpan } from '../domain/usage/range.ts'
import type { DayCounters, UsagePartition } from '../domain/usage/usage.ts'
import type { Versioned } from './store.ts'
import type { PushLog, ScannedCounters } from './usage.ts'

/** How far the roll-up has copied each partition: a count of batches. A mark that lags costs work, never a use. */
export interface RollUpMarks {
  /** 0 for a partition that was never rolled up. */
  read(partition: UsagePartition): Promise<number>
  write(partition: UsagePartition, batches: number): Promise<void>
}

/** Where the roll-up puts its copies. Whatever is stored is only ever replaced by what was counted later. */
export interface UsageCopies {
  /** Of one day, each key once. Stores those newer than the stored ones, and moves each key's last use on, never back. */
  putKeyDays(scope: OneProvider, copies: readonly ScannedCounters[]): Promise<void>
  findTotals(scope: OneProvider, day: string): Promise<Versioned<ProviderDay> | undefined>
  /** `version` null means: there must be none yet. */
  putTotals(scope: OneProvider, totals: ProviderDay, version: string | null): Promise<'stored' | 'stale'>
}

/** What the roll-up has copied; each method in any order, days without a use left out. */
export interface UsageReports {
  keyDays(scope: OneProvider, keyId: string, span: DaySpan): Promise<readonly DayCounters[]>
  totals(scope: OneProvider, span: DaySpan): Promise<readonly ProviderDay[]>
  /** The days of all keys, as they are read. */
  allKeyDays(scope: OneProvider, span: DaySpan): AsyncIterable<DayCounters>
  /** When each key was last used, ISO 8601 UTC; keys never used are left out. */
  lastUsed(scope: OneProvider, keyIds: readonly string[]): Promise<ReadonlyMap<string, string>>
}

/** Pushed batches, from their acceptance to their last part. */
export interface PushStore extends PushLog {
  /** Undefined for a missing batch and for another provider's alike. */
  find(scope: OneProvider, batchId: string): Promise<PushRecord | undefined>
  /** Keeps the messages, then the record: from then on the batch is accepted. `exists`: one of this id is; keeps nothing. */
  accept(scope: OneProvider, record: PushRecord, messages: readonly string[]): Promise<'accepted' | 'exists'>
  /** The messages of an accepted batch that is not marked as sent. */
  unsent(scope: OneProvider, record: PushRecord): Promise<readonly string[]>
  /** Every message was acknowledged by the queue: forgets them. */
  markSent(scope: OneProvider, record: PushRecord): Promise<void>
  /** The parts that were counted. */
  parts(scope: OneProvider, batchId: string): Promise<readonly PushedPart[]>
}

/** The pushed batches of all providers, for reconciliation. */
export interface PushJournal {
  /** Accepted within `from` up to, not including, `to`; with the uses of their parts that were counted so far. */
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
