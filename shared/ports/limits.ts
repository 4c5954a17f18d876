import type { Limit, Taking } from '../domain/limits/limit.ts'
import type { LimitRecord } from '../domain/limits/limit-record.ts'
import type { StoreInstant } from '../domain/limits/time-interval.ts'

/** Holds limits over every instance of the app. */
export interface Limiter {
  /**
   * Takes `cost` from every one of these limits, or from none. The answer is no promise where this instance holds enough
   * already, or knows that there is no more. Throws `store_unavailable` only where a limit by day or month is asked for,
   * nothing is left of what this instance holds, and the store does not answer.
   */
  take(limits: readonly Limit[], cost: number): Taking | Promise<Taking>
  /** What `take` would answer. Consumes nothing and writes nothing. */
  look(limits: readonly Limit[], cost: number): Taking | Promise<Taking>
  /** Gives back what this instance holds and has not spent: at the end. */
  release(): Promise<void>
  /** How many leases this instance holds. */
  leases(): number
  /** How far this machine's clock is ahead of the store's; undefined when that is not known well enough to lease by. */
  clockSkewSeconds(): number | undefined
}

/** `version` is the store's token for this state of the record. */
export interface StoredLimit {
  readonly record: LimitRecord
  readonly version: string
}

/** `stale`: the record was another one, or is gone; nothing was written, unless an earlier try of this write was. */
export type LimitWrite =
  | { readonly kind: 'written'; readonly version: string; readonly at: StoreInstant | undefined }
  | { readonly kind: 'stale'; readonly found: StoredLimit | undefined }

/** Keeps one record per limit. Every method throws `store_unavailable` when the store cannot be asked. */
export interface LimitStore {
  read(limit: Limit): Promise<StoredLimit | undefined>
  /** Writes the record if the stored one is still at `version`; undefined: if there is none. `expiresAt`: nobody needs it then. */
  write(limit: Limit, record: LimitRecord, version: string | undefined, expiresAt: Date): Promise<LimitWrite>
  /** Writes something of no consequence, for the store's time. */
  tellTime(): Promise<StoreInstant>
}
