import { type OneProvider, oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import {
  completeReservation,
  countsTowardQuota,
  isCurrent,
  type KeyCount,
  mayRecount,
  type ReservationOutcome,
  recounted,
  reservePlace,
} from '../../domain/keys/key-count.ts'
import type { KeyCountStore, KeyStore } from '../../ports/keys.ts'
import type { Clock, Scheduler } from '../../ports/runtime.ts'

/** Reservations of places under a provider's quota `max_keys`. */
export interface KeyReservations {
  /**
   * Reserves a place before the key is made. `full`: no place is free. `contended`: too many keys are being made at
   * once. Throws `conflict` after 20 lost races.
   */
  reserve(request: ReservationRequest): Promise<ReservationOutcome>
  /** Turns the reservation into a counted key, or releases it. Without this call it lasts at least 10 minutes. */
  complete(providerId: string, keyId: string, made: boolean): Promise<void>
}

export interface ReservationRequest {
  readonly providerId: string
  readonly keyId: string
  readonly maxKeys: number
  readonly providerUpdatedAt: Date
}

export interface KeyReservationsNeeds {
  readonly keys: Pick<KeyStore, 'page'>
  readonly keyCounts: KeyCountStore
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** A number in [0, 1), for the spread of retries. */
  readonly jitter: () => number
}

/** One caller's change of the count. `decide` may run more than once: only its last result counts. */
interface CountChange {
  readonly decide: (count: KeyCount, now: Date) => [KeyCount, ReservationOutcome]
  /** The keys must have been counted after this time. */
  readonly providerUpdatedAt: Date
  readonly resolve: (outcome: ReservationOutcome) => void
  readonly reject: (error: unknown) => void
}

const ATTEMPTS = 20
const BACKOFF_STEP_MS = 10
const PAGE_KEYS = 100

/**
 * Keeps one row per provider. A place is reserved before the key is made, in one ETag-guarded write, so there are never
 * more keys than places. Changes that arrive during a write are batched into the next write. Ended keys release their
 * places at the next recount, which runs when no place is free.
 */
export function keyReservations(needs: KeyReservationsNeeds): KeyReservations {
  const queues = new Map<string, CountChange[]>()

  function change(
    providerId: string,
    providerUpdatedAt: Date,
    decide: CountChange['decide'],
  ): Promise<ReservationOutcome> {
    return new Promise((resolve, reject) => {
      const queued = { decide, providerUpdatedAt, resolve, reject }
      const queue = queues.get(providerId)
      if (queue !== undefined) return void queue.push(queued)
      queues.set(providerId, [queued])
      void applyQueue(providerId)
    })
  }

  function takeQueue(providerId: string): CountChange[] {
    const changes = queues.get(providerId) ?? []
    queues.set(providerId, [])
    return changes
  }

  async function applyQueue(providerId: string): Promise<void> {
    // Changes of one turn of the event loop share a write.
    await Promise.resolve()
    const scope = oneProvider(providerId)
    for (let changes = takeQueue(providerId); changes.length > 0; changes = takeQueue(providerId)) {
      await answerAll(changes, () => applyChanges(needs, scope, changes))
    }
    queues.delete(providerId)
  }

  return {
    reserve: ({ providerId, keyId, maxKeys, providerUpdatedAt }) =>
      change(providerId, providerUpdatedAt, (count, now) => reservePlace(count, keyId, maxKeys, now)),
    async complete(providerId, keyId, made) {
      await change(providerId, new Date(0), (count) => [completeReservation(count, keyId, made), 'reserved'])
    },
  }
}

async function answerAll(changes: readonly CountChange[], apply: () => Promise<ReservationOutcome[]>): Promise<void> {
  try {
    const outcomes = await apply()
    for (const [index, { resolve }] of changes.entries()) resolve(outcomes[index] ?? 'contended')
  } catch (error) {
    for (const { reject } of changes) reject(error)
  }
}

/** Applies all changes in one ETag-guarded write; after a lost race, reads and decides again with backoff. */
async function applyChanges(
  needs: KeyReservationsNeeds,
  scope: OneProvider,
  changes: readonly CountChange[],
): Promise<ReservationOutcome[]> {
  const { keyCounts, scheduler, jitter } = needs
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await keyCounts.find(scope)
    const { count, outcomes } = await decide(needs, scope, found?.value, changes)
    if (count === found?.value) return outcomes
    if ((await keyCounts.put(scope, count, found?.version ?? null)) === 'stored') return outcomes
    await new Promise<void>((resolve) => scheduler.after(BACKOFF_STEP_MS * attempt * jitter(), resolve))
  }
  throw new AppError('conflict', 'Others keep making keys of this provider. Try again.', { retryAfterSeconds: 1 })
}

async function decide(
  needs: KeyReservationsNeeds,
  scope: OneProvider,
  found: KeyCount | undefined,
  changes: readonly CountChange[],
): Promise<Decided> {
  const now = needs.clock.now()
  const updatedAt = new Date(Math.max(...changes.map(({ providerUpdatedAt }) => providerUpdatedAt.getTime())))
  const recount = async () => decideAll(await countKeys(needs, scope, found), changes, now)
  if (found === undefined || !isCurrent(found, updatedAt, now)) return recount()
  const decided = decideAll(found, changes, now)
  return decided.outcomes.includes('full') && mayRecount(found, now) ? recount() : decided
}

interface Decided {
  readonly count: KeyCount
  readonly outcomes: ReservationOutcome[]
}

function decideAll(count: KeyCount, changes: readonly CountChange[], now: Date): Decided {
  let decided = count
  const outcomes = changes.map((change) => {
    const [next, outcome] = change.decide(decided, now)
    decided = next
    return outcome
  })
  return { count: decided, outcomes }
}

/** A reservation made during the count changes the row's ETag, so a count that missed it is not written. */
async function countKeys({ keys, clock }: KeyReservationsNeeds, scope: OneProvider, count: KeyCount | undefined) {
  const now = clock.now()
  const keyIds = new Set<string>()
  for (let after: string | null = null; ; ) {
    const page = await keys.page(scope, { limit: PAGE_KEYS, after })
    for (const key of page.items) if (countsTowardQuota(key, now)) keyIds.add(key.keyId)
    if (page.next === null) return recounted(count, keyIds, now)
    after = page.next
  }
}
