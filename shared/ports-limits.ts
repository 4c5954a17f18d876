import type { Limit, Taking } from './domain/limit.ts'

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
  /** Whether this instance knows, without asking anybody, that nothing is left of this limit. */
  isSpent(limit: Limit): boolean
  /** Gives back what this instance holds and has not spent: at the end. */
  release(): Promise<void>
  /** How many leases this instance holds. */
  leases(): number
}
