import { createHash } from 'node:crypto'
import { AppError } from '../domain/errors.ts'
import type { IdempotencyRecord, IdempotencyStore, StoredAnswer } from '../ports/idempotency.ts'
import type { Clock, Random } from '../ports/runtime.ts'

interface IdempotencyNeeds {
  readonly idempotency: IdempotencyStore
  readonly clock: Clock
  readonly random: Random
}

export interface IdempotentCall {
  readonly callerId: string
  /** The Idempotency-Key as the caller sent it. */
  readonly key: string
  /** What identifies the request: method, path, query, body. */
  readonly request: string
}

/** How long a record counts. */
interface IdempotencyTerms {
  readonly keptMs: number
  /** After this time without an answer a retry takes over: no request of this kind runs that long. */
  readonly takeoverMs: number
}

const oneDay: IdempotencyTerms = { keptMs: 24 * 60 * 60 * 1000, takeoverMs: 60_000 }
/** For verdicts: holds for 60 s between instances whose clocks differ by 15 s. */
export const oneMinute: IdempotencyTerms = { keptMs: 75_000, takeoverMs: 15_000 }

interface Replayed {
  readonly kind: 'replayed'
  readonly answer: StoredAnswer
}

/** `replayed`: the answer of an earlier try. `mine`: this try owns the call and ends it with one of the functions. */
export type IdempotentStart =
  | Replayed
  | {
      readonly kind: 'mine'
      /** The id of the resource to create. The same on every try, so that a retry creates no second resource. */
      readonly seed: string
      readonly finish: (answer: StoredAnswer) => Promise<void>
      /** The try was refused without side effects: frees the Idempotency-Key. */
      readonly release: () => Promise<void>
      /** The outcome of the try is unknown: the next try takes over at once, with the same seed. */
      readonly abandon: () => Promise<void>
    }

/**
 * Begins one try of an idempotent call. Throws `idempotency_key_reused` when the caller used the key for another
 * request within the terms, by default 24 h, and `idempotency_in_progress` while another try is in flight.
 */
export async function startIdempotent(
  needs: IdempotencyNeeds,
  call: IdempotentCall,
  terms: IdempotencyTerms = oneDay,
): Promise<IdempotentStart> {
  const { idempotency, clock, random } = needs
  const now = clock.now()
  const record: IdempotencyRecord = {
    callerId: call.callerId,
    keyDigest: sha256(call.key),
    requestDigest: sha256(call.request),
    seed: random.id(),
    startedAt: now,
    expiresAt: new Date(now.getTime() + terms.keptMs),
    answer: null,
  }
  if ((await idempotency.insert(record)) === 'inserted') return ownedStart(needs, record)
  const found = await idempotency.find(record.callerId, record.keyDigest)
  if (found === undefined) throw inProgress()
  const claimed = claim(found.value, record, now, terms)
  if ('kind' in claimed) return claimed
  if ((await idempotency.replace(claimed, found.version)) === 'stale') throw inProgress()
  return ownedStart(needs, claimed)
}

/** Returns the answer of the earlier try, or the record with which this try takes over. */
function claim(
  earlier: IdempotencyRecord,
  record: IdempotencyRecord,
  now: Date,
  { takeoverMs }: IdempotencyTerms,
): Replayed | IdempotencyRecord {
  if (earlier.expiresAt <= now) return record
  if (earlier.requestDigest !== record.requestDigest) {
    throw new AppError('idempotency_key_reused', 'This Idempotency-Key was used for another request. Choose a new one.')
  }
  if (earlier.answer !== null) return { kind: 'replayed', answer: earlier.answer }
  if (now.getTime() - earlier.startedAt.getTime() < takeoverMs) throw inProgress()
  return { ...record, seed: earlier.seed }
}

function ownedStart({ idempotency }: IdempotencyNeeds, record: IdempotencyRecord): IdempotentStart {
  async function save(change: Partial<IdempotencyRecord>) {
    const current = await idempotency.find(record.callerId, record.keyDigest)
    // Another try took over: only that try may write the answer.
    if (current?.value.startedAt.getTime() !== record.startedAt.getTime()) return
    await idempotency.replace({ ...record, ...change }, current.version)
  }
  return {
    kind: 'mine',
    seed: record.seed,
    finish: (answer) => save({ answer }),
    release: () => idempotency.remove(record),
    abandon: () => save({ startedAt: new Date(0) }),
  }
}

function inProgress(): AppError {
  return new AppError('idempotency_in_progress', 'A request with this Idempotency-Key is under way. Try again.', {
    retryAfterSeconds: 1,
  })
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
