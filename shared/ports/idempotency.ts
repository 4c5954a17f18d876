import type { Versioned } from './store.ts'

/** An answer as it may be replayed: without any secret. */
export interface StoredAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** One use of an Idempotency-Key by one caller. */
export interface IdempotencyRecord {
  readonly callerId: string
  /** SHA-256 of the Idempotency-Key, hex: the header is free text, a row key is not. */
  readonly keyDigest: string
  /** SHA-256 of method, path and body, hex. */
  readonly requestDigest: string
  /** A time-ordered id for what the call creates, so that a retry creates the same thing. */
  readonly seed: string
  readonly startedAt: Date
  readonly expiresAt: Date
  /** null while the call is in flight. */
  readonly answer: StoredAnswer | null
}

export interface IdempotencyStore {
  insert(record: IdempotencyRecord): Promise<'inserted' | 'exists'>
  find(callerId: string, keyDigest: string): Promise<Versioned<IdempotencyRecord> | undefined>
  replace(record: IdempotencyRecord, version: string): Promise<'replaced' | 'stale'>
  /** Removes the record only if its `startedAt` still matches: the record of another attempt stays. */
  remove(record: IdempotencyRecord): Promise<void>
}
