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

/** One bounded step of a sweep. `next` continues after the last row looked at; null at the end. */
interface SweepStep {
  readonly looked: number
  readonly removed: number
  readonly next: string | null
}

/** Removes rows that no reader needs any more. A sweep that stops half-way only leaves the rest to the next one. */
export interface Sweeper {
  step(now: Date, after: string | null): Promise<SweepStep>
}
