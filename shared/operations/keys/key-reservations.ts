import { type OneProvider, oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import {
  holdPlace,
  isCurrent,
  type KeyCount,
  mayRecount,
  type PlaceOutcome,
  recounted,
  settlePlace,
  takesPlace,
} from '../../domain/keys/key-count.ts'
import type { KeyCountStore, KeyStore } from '../../ports/keys.ts'
import type { Clock, Scheduler } from '../../ports/runtime.ts'

/** The places that a provider's keys take under its quota `max_keys`. */
export interface KeyPlaces {
  /** Holds a place for a key before it is made. `full`, `crowded`: there is none. Throws `conflict` when others keep winning. */
  hold(request: PlaceRequest): Promise<PlaceOutcome>
  /** The key was made, or never will be. Without this the place stays held for ten minutes at least. */
  settle(providerId: string, keyId: string, made: boolean): Promise<void>
}

export interface PlaceRequest {
  readonly providerId: string
  readonly keyId: string
  readonly maxKeys: number
  readonly providerUpdatedAt: Date
}

export interface KeyPlacesNeeds {
  readonly keys: Pick<KeyStore, 'page'>
  readonly keyCounts: KeyCountStore
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** A number in [0, 1), for the spread of retries. */
  readonly jitter: () => number
}

/** What one caller wants of the count. Decided perhaps more than once: only the last time holds. */
interface Wish {
  readonly decide: (count: KeyCount, now: Date) => [KeyCount, PlaceOutcome]
  /** The count must have been made after this. */
  readonly providerUpdatedAt: Date
  readonly done: (outcome: PlaceOutcome) => void
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
export function keyPlaces(needs: KeyPlacesNeeds): KeyPlaces {
  const waiting = new Map<string, Wish[]>()

  function wish(providerId: string, providerUpdatedAt: Date, decide: Wish['decide']): Promise<PlaceOutcome> {
    return new Promise((done, failed) => {
      const one = { decide, providerUpdatedAt, done, failed }
      const others = waiting.get(providerId)
      if (others !== undefined) return void others.push(one)
      waiting.set(providerId, [one])
      void grantAll(providerId)
    })
  }

  function takeWaiting(providerId: string): Wish[] {
    const wishes = waiting.get(providerId) ?? []
    waiting.set(providerId, [])
    return wishes
  }

  async function grantAll(providerId: string): Promise<void> {
    // What is asked for in this turn of the event loop goes together.
    await Promise.resolve()
    const scope = oneProvider(providerId)
    for (let wishes = takeWaiting(providerId); wishes.length > 0; wishes = takeWaiting(providerId)) {
      await tell(wishes, () => grant(needs, scope, wishes))
    }
    waiting.delete(providerId)
  }

  return {
    hold: ({ providerId, keyId, maxKeys, providerUpdatedAt }) =>
      wish(providerId, providerUpdatedAt, (count, now) => holdPlace(count, keyId, maxKeys, now)),
    async settle(providerId, keyId, made) {
      await wish(providerId, new Date(0), (count) => [settlePlace(count, keyId, made), 'held'])
    },
  }
}

async function tell(wishes: readonly Wish[], granting: () => Promise<PlaceOutcome[]>): Promise<void> {
  try {
    const outcomes = await granting()
    for (const [index, { done }] of wishes.entries()) done(outcomes[index] ?? 'crowded')
  } catch (error) {
    for (const { failed } of wishes) failed(error)
  }
}

/** Decides on the count as it is and writes it once for all, or reads and decides again. */
async function grant(needs: KeyPlacesNeeds, scope: OneProvider, wishes: readonly Wish[]): Promise<PlaceOutcome[]> {
  const { keyCounts, scheduler, jitter } = needs
  for (let tries = 1; tries <= TRIES; tries++) {
    const found = await keyCounts.find(scope)
    const { count, outcomes } = await decide(needs, scope, found?.value, wishes)
    if (count === found?.value) return outcomes
    if ((await keyCounts.put(scope, count, found?.version ?? null)) === 'stored') return outcomes
    await new Promise<void>((resolve) => scheduler.after(RETRY_STEP_MS * tries * jitter(), resolve))
  }
  throw new AppError('conflict', 'Others keep making keys of this provider. Try again.', { retryAfterSeconds: 1 })
}

async function decide(
  needs: KeyPlacesNeeds,
  scope: OneProvider,
  found: KeyCount | undefined,
  wishes: readonly Wish[],
): Promise<Decided> {
  const now = needs.clock.now()
  const updatedAt = new Date(Math.max(...wishes.map(({ providerUpdatedAt }) => providerUpdatedAt.getTime())))
  const recount = async () => decideAll(await countKeys(needs, scope, found), wishes, now)
  if (found === undefined || !isCurrent(found, updatedAt, now)) return recount()
  const decided = decideAll(found, wishes, now)
  return decided.outcomes.includes('full') && mayRecount(found, now) ? recount() : decided
}

interface Decided {
  readonly count: KeyCount
  readonly outcomes: PlaceOutcome[]
}

function decideAll(count: KeyCount, wishes: readonly Wish[], now: Date): Decided {
  let decided = count
  const outcomes = wishes.map((wish) => {
    const [next, outcome] = wish.decide(decided, now)
    decided = next
    return outcome
  })
  return { count: decided, outcomes }
}

/** Whoever takes a place meanwhile moves the row, so that a count which missed its key is not written. */
async function countKeys({ keys, clock }: KeyPlacesNeeds, scope: OneProvider, count: KeyCount | undefined) {
  const now = clock.now()
  const keyIds = new Set<string>()
  for (let after: string | null = null; ; ) {
    const page = await keys.page(scope, { limit: PAGE, after })
    for (const key of page.items) if (takesPlace(key, now)) keyIds.add(key.keyId)
    if (page.next === null) return recounted(count, keyIds, now)
    after = page.next
  }
}
