/** `sliding`: every span of that length, wherever it begins. The others begin at multiples of their length, UTC. */
export type LimitWindow =
  | { readonly kind: 'sliding' | 'fixed'; readonly seconds: number }
  | { readonly kind: 'day' | 'month' }

/** One limit on the requests of one subject. */
export interface Limit {
  /**
   * Whose requests count: `key:<key_id>`, `provider:<provider_id>`, `caller:<caller>:<function>` and the like. ASCII
   * without / \ # ? and control characters, at most 160 characters.
   */
  readonly subject: string
  /** Unique for the subject: `[a-z0-9][a-z0-9_-]{0,62}`. */
  readonly name: string
  /** The record that counts the uses, where it is not called `name`: a renamed limit keeps its record. */
  readonly record?: string
  readonly limit: number
  readonly window: LimitWindow
  /** Who has this edit of the limit, where several policies count in one record: the keys of one lineage. */
  readonly holder?: string
  /** Grows with every edit; absent: 0. The newest edit that an instance knows applies, also to the leases it holds. */
  readonly version?: number
  /** Absent: `wait`, and `refuse` for days and months. */
  readonly inOutage?: OutageMode
}

/**
 * What a use does without an answer of the store. `wait`: it waits until the store answers or is known to be gone, and
 * then takes from this instance's allowance. `allowance`: it takes from that at once. `refuse`: it waits likewise, and
 * then fails.
 */
export type OutageMode = 'wait' | 'allowance' | 'refuse'

export const recordName = ({ name, record }: Limit): string => record ?? name

export const versionOf = ({ version = 0 }: Limit): number => version

/** Limits by day and month are billed: no use passes without a lease. */
export function outageModeOf({ inOutage, window: { kind } }: Limit): OutageMode {
  return inOutage ?? (kind === 'day' || kind === 'month' ? 'refuse' : 'wait')
}

/** What this instance knows of a limit after a request. `remaining` is a lower bound, not a promise. */
export interface LimitState {
  readonly limit: Limit
  readonly remaining: number
  /** When more tokens are available at the latest, in ms since the epoch. */
  readonly resetAtMs: number
}

/** A refusal is a value. `states` has one entry per requested limit, in their order. */
export type Taking =
  | { readonly kind: 'taken'; readonly states: readonly LimitState[] }
  | {
      readonly kind: 'refused'
      readonly states: readonly LimitState[]
      /** The first limit with too few tokens. */
      readonly by: LimitState
      /** Its place among the requested limits. */
      readonly at: number
      /** When a retry makes sense. */
      readonly retryAfterMs: number
    }
