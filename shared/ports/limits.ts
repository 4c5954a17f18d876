import type { Limit, Taking } from '../domain/limits/limit.ts'
import type { Charges, LimitRecord } from '../domain/limits/limit-record.ts'
import type { StoreInstant } from '../domain/limits/time-interval.ts'

/** Enforces limits over every instance of the app. */
export interface Limiter {
  /**
   * Charges `cost` to all of the limits, or to none. Answers synchronously where the leases of this instance suffice, or
   * where a limit is known to be exhausted. Waits up to some seconds for a store that does not answer. Throws
   * `store_unavailable` where a limit may not be passed without the store, or where the store answers now and then only.
   * Throws `overloaded` where this instance has too many requests under way to refill: no share is given out then.
   */
  take(limits: readonly Limit[], cost: number): Taking | Promise<Taking>
  /** Returns what `take` would. Charges nothing and writes nothing. */
  look(limits: readonly Limit[], cost: number): Taking | Promise<Taking>
  /** Gives back what this instance has leased and not spent: at shutdown. */
  release(): Promise<void>
  /** How many leases this instance holds. */
  leases(): number
  /** How far this machine's clock is ahead of the store's; undefined when it is not known well enough to lease. */
  clockSkewSeconds(): number | undefined
}

/** `version` is the store's token for this state of the record. */
export interface StoredLimit {
  readonly record: LimitRecord
  readonly version: string
}

/** `stale`: the record has changed or is gone. Nothing was written, unless an earlier attempt of this write was. */
export type LimitWrite =
  | { readonly kind: 'written'; readonly version: string; readonly at: StoreInstant | undefined }
  | { readonly kind: 'stale'; readonly found: StoredLimit | undefined }

/** Stores one record per limit. Every method throws `store_unavailable` while the store is unavailable. */
export interface LimitStore {
  read(limit: Limit): Promise<StoredLimit | undefined>
  /** Writes the record if the stored one is still at `version`; undefined: if there is none. `expiresAt`: may be swept. */
  write(limit: Limit, record: LimitRecord, version: string | undefined, expiresAt: Date): Promise<LimitWrite>
  /** Writes a row of no consequence, and returns the store's time of that write. */
  tellTime(): Promise<StoreInstant>
}

/** What an instance knew of a limit, and spent of its allowance. */
export interface JournaledLimit {
  readonly limit: Limit
  /** The record as last read. */
  readonly record: LimitRecord | undefined
  readonly readAtMs: number
  /** The name of the division that `spent` belongs to. */
  readonly division: string
  /** Tokens spent without the store that the record may not count. */
  readonly spent: Charges
  /** The number of instances that wrote the record, as last read, and the largest number so far. */
  readonly writers: number
  readonly peakWriters: number
}

/** Keeps what an instance knows of its limits over a restart on the same disk. No method throws. */
export interface LimitJournal {
  find(limit: Limit): JournaledLimit | undefined
  /** On the disk when it returns, where there is a disk. */
  save(entries: readonly JournaledLimit[]): void
}
