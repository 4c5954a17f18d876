export interface Clock {
  now(): Date
  /** Milliseconds since an arbitrary moment, never decreasing: for ages, since a wall clock may be set. */
  monotonicMs(): number
}

export interface Random {
  /** Cryptographically secure bytes. */
  bytes(size: number): Uint8Array
  /** A time-ordered ULID: 26 characters of Crockford base32. */
  id(): string
}

/** Delays work; tests replace it to control time. */
export interface Scheduler {
  /** Runs `task` once, `delayMs` from now; the returned function cancels it. */
  after(delayMs: number, task: () => void): () => void
}

/** Work outside the calls, such as a poll. */
export interface Background {
  start(): void
  /** Resolves when none of the work is in flight any more. */
  stop(): Promise<void>
}

/** Writes one structured line. No message and no field ever holds a secret. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void
