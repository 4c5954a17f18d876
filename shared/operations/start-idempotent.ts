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
  /** All that makes the request what it is: method, path, query, body. */
  readonly request: string
}

const LIFETIME_MS = 24 * 60 * 60 * 1000
/** After this long without an answer the first try is taken for dead: no request lives that long. */
const ABANDONED_MS = 60_000

interface Replayed {
  readonly kind: 'replayed'
  readonly answer: StoredAnswer
}

/** `replayed` is the answer of an earlier try; `mine` says to go on, and what to call at the end. */
export type IdempotentStart =
  | Replayed
  | {
      readonly kind: 'mine'
      /** The id for whatever is made: the same on every try, so that a second try makes no second thing. */
      readonly seed: string
      readonly finish: (answer: StoredAnswer) => Promise<void>
      /** The try was refused and left nothing behind: the Idempotency-Key is free again. */
      readonly release: () => Promise<void>
      /** The try broke, and nobody knows how far it came: the next one takes over, with the same seed. */
      readonly abandon: () => Promise<void>
    }

/**
 * Begins one try of a call that must happen once. Throws `idempotency_key_reused` when the caller used the key for
 * another request in the last 24 h, and `idempotency_in_progress` while another try is under way.
 */
export async function startIdempotent(needs: IdempotencyNeeds, call: IdempotentCall): Promise<IdempotentStart> {
  const { idempotency, clock, random } = needs
  const now = clock.now()
  const fresh: IdempotencyRecord = {
    callerId: call.callerId,
    keyDigest: sha256(call.key),
    requestDigest: sha256(call.request),
    seed: random.id(),
    startedAt: now,
    expiresAt: new Date(now.getTime() + LIFETIME_MS),
    answer: null,
  }
  if ((await idempotency.insert(fresh)) === 'inserted') return mine(needs, fresh)
  const found = await idempotency.find(fresh.callerId, fresh.keyDigest)
  if (found === undefined) throw inProgress()
  const claimed = claim(found.value, fresh, now)
  if ('kind' in claimed) return claimed
  if ((await idempotency.replace(claimed, found.version)) === 'stale') throw inProgress()
  return mine(needs, claimed)
}

/** What an earlier record means for this try: its answer, or the record with which this try takes over. */
function claim(earlier: IdempotencyRecord, fresh: IdempotencyRecord, now: Date): Replayed | IdempotencyRecord {
  if (earlier.expiresAt <= now) return fresh
  if (earlier.requestDigest !== fresh.requestDigest) {
    throw new AppError('idempotency_key_reused', 'This Idempotency-Key was used for another request. Choose a new one.')
  }
  if (earlier.answer !== null) return { kind: 'replayed', answer: earlier.answer }
  if (now.getTime() - earlier.startedAt.getTime() < ABANDONED_MS) throw inProgress()
  return { ...fresh, seed: earlier.seed }
}

function mine({ idempotency }: IdempotencyNeeds, record: IdempotencyRecord): IdempotentStart {
  async function save(change: Partial<IdempotencyRecord>) {
    const current = await idempotency.find(record.callerId, record.keyDigest)
    // A try that was taken over has nothing to say any more: the answer is the other one's to give.
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
