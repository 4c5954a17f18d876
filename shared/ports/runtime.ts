export interface Clock {
  now(): Date
  /** Milliseconds since some fixed moment, never going back: for ages, where a wall clock could be set. */
  monotonicMs(): number
}

export interface Random {
  /** Cryptographically secure bytes. */
  bytes(size: number): Uint8Array
  /** A time-ordered ULID: 26 characters of Crockford base32. */
  id(): string
}

/** Delayed work, so that tests own the time. */
export interface Scheduler {
  /** Runs `task` once, `delayMs` from now; the returned function cancels it. */
  after(delayMs: number, task: () => void): () => void
}

/** Work that goes on beside the calls, such as a poll. */
export interface Background {
  start(): void
  /** Resolves when nothing of it is under way any more. */
  stop(): Promise<void>
}

/** Writes one structured line. No message and no field ever holds a secret. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void
