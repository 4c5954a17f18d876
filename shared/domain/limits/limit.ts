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
  readonly limit: number
  readonly window: LimitWindow
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
      /** When a retry makes sense. */
      readonly retryAfterMs: number
    }
