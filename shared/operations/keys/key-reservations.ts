import { type OneProvider, oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import {
  isCurrent,
  type KeyCount,
  mayRecount,
  type ReservationOutcome,
  recounted,
  reservePlace,
  settlePlace,
  takesPlace,
} from '../../domain/keys/key-count.ts'
import type { KeyCountStore, KeyStore } from '../../ports/keys.ts'
import type { Clock, Scheduler } from '../../ports/runtime.ts'

/** The places that a provider's keys take under its quota `max_keys`. */
export interface KeyReservations {
  /** Holds a place for a key before it is made. `full`, `crowded`: there is none. Throws `conflict` when others keep winning. */
  reserve(request: ReservationRequest): Promise<ReservationOutcome>
  /** The key was made, or never will be. Without this the place stays held for ten minutes at least. */
  settle(providerId: string, keyId: string, made: boolean): Promise<void>
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

/** What one caller wants of the count. Decided perhaps more than once: only the last time holds. */
interface CountChange {
  readonly decide: (count: KeyCount, now: Date) => [KeyCount, ReservationOutcome]
  /** The count must have been made after this. */
  readonly providerUpdatedAt: Date
  readonly done: (outcome: ReservationOutcome) => void
  readonly failed: (error: unknown) => void
}

const TRIES = 20
const RETRY_STEP_MS = 10
const PAGE = 100

/**
 * Keeps one row per provider. A key's place is taken before the key is made, in one write that fails where another was
 * made since the row was read; so at no moment are there more keys than places. What is wished for while a write is
 * under way goes into the next one together. Keys that end give their places back when the keys are counted anew, which
 * happens when none is left.
 */
export function keyReservations(needs: KeyReservationsNeeds): KeyReservations {
  const waiting = new Map<string, CountChange[]>()

  function change(
    providerId: string,
    providerUpdatedAt: Date,
    decide: CountChange['decide'],
  ): Promise<ReservationOutcome> {
    return new Promise((done, failed) => {
      const one = { decide, providerUpdatedAt, done, failed }
      const others = waiting.get(providerId)
      if (others !== undefined) return void others.push(one)
      waiting.set(providerId, [one])
      void grantAll(providerId)
    })
  }

  function takeWaiting(providerId: string): CountChange[] {
    const changes = waiting.get(providerId) ?? []
    waiting.set(providerId, [])
    return changes
  }

  async function grantAll(providerId: string): Promise<void> {
    // What is asked for in this turn of the event loop goes together.
    await Promise.resolve()
    const scope = oneProvider(providerId)
    for (let changes = takeWaiting(providerId); changes.length > 0; changes = takeWaiting(providerId)) {
      await tell(changes, () => grant(needs, scope, changes))
    }
    waiting.delete(providerId)
  }

  return {
    reserve: ({ providerId, keyId, maxKeys, providerUpdatedAt }) =>
      change(providerId, providerUpdatedAt, (count, now) => reservePlace(count, keyId, maxKeys, now)),
    async settle(providerId, keyId, made) {
      await change(providerId, new Date(0), (count) => [settlePlace(count, keyId, made), 'reserved'])
    },
  }
}

async function tell(changes: readonly CountChange[], granting: () => Promise<ReservationOutcome[]>): Promise<void> {
  try {
    const outcomes = await granting()
    for (const [index, { done }] of changes.entries()) done(outcomes[index] ?? 'contended')
  } catch (error) {
    for (const { failed } of changes) failed(error)
  }
}

/** Decides on the count as it is and writes it once for all, or reads and decides again. */
async function grant(
  needs: KeyReservationsNeeds,
  scope: OneProvider,
  changes: readonly CountChange[],
): Promise<ReservationOutcome[]> {
  const { keyCounts, scheduler, jitter } = needs
  for (let tries = 1; tries <= TRIES; tries++) {
    const found = await keyCounts.find(scope)
    const { count, outcomes } = await decide(needs, scope, found?.value, changes)
    if (count === found?.value) return outcomes
    if ((await keyCounts.put(scope, count, found?.version ?? null)) === 'stored') return outcomes
    await new Promise<void>((resolve) => scheduler.after(RETRY_STEP_MS * tries * jitter(), resolve))
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

/** Whoever takes a place meanwhile moves the row, so that a count which missed its key is not written. */
async function countKeys({ keys, clock }: KeyReservationsNeeds, scope: OneProvider, count: KeyCount | undefined) {
  const now = clock.now()
  const keyIds = new Set<string>()
  for (let after: string | null = null; ; ) {
    const page = await keys.page(scope, { limit: PAGE, after })
    for (const key of page.items) if (takesPlace(key, now)) keyIds.add(key.keyId)
    if (page.next === null) return recounted(count, keyIds, now)
    after = page.next
  }
}
