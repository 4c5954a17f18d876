import { endsAt, type Key } from './key.ts'

/** The place of a key that is being made, reserved until the key is made or released. */
export interface Reservation {
  readonly keyId: string
  readonly since: Date
}

/** The number of keys that count toward a provider's quota `max_keys`: an upper bound. */
export interface KeyCount {
  /** The keys counted at `countedAt`, plus every key made since. Includes keys that ended since. */
  readonly keys: number
  readonly pending: readonly Reservation[]
  /** When the keys were last counted one by one. */
  readonly countedAt: Date
}

/** `found`: an earlier try for the same key reserved the place. `contended`: too many reservations are pending. */
export type ReservationOutcome = 'reserved' | 'found' | 'full' | 'contended'

const PENDING_MAX = 300
/** A recount drops older reservations: a request takes seconds. */
const RESERVATION_TTL_MS = 10 * 60 * 1000
const SETTLED_MS = 60_000
const FREE_RECOUNT_KEYS = 100
const RECOUNT_MS_PER_KEY = 10

/** Whether a key takes a place under `max_keys`: not if it is revoked, expired or replaced by a rotation. */
export function countsTowardQuota(key: Key, now: Date): boolean {
  return key.kind === 'api' && key.revocation === null && key.replacedBy === null && endsAt(key) > now.getTime()
}

export function reservePlace(
  count: KeyCount,
  keyId: string,
  maxKeys: number,
  now: Date,
): [KeyCount, ReservationOutcome] {
  if (count.pending.some((pending) => pending.keyId === keyId)) return [count, 'found']
  if (count.keys + count.pending.length >= maxKeys) return [count, 'full']
  if (count.pending.length >= PENDING_MAX) return [count, 'contended']
  return [{ ...count, pending: [...count.pending, { keyId, since: now }] }, 'reserved']
}

/** Turns a reservation into a counted key, or releases it. Idempotent: a completed reservation changes nothing. */
export function completeReservation(count: KeyCount, keyId: string, made: boolean): KeyCount {
  const pending = count.pending.filter((reservation) => reservation.keyId !== keyId)
  if (pending.length === count.pending.length) return count
  return { ...count, keys: made ? count.keys + 1 : count.keys, pending }
}

/** The count after a scan of all keys, begun at `now`; `keyIds` are the keys that take a place. */
export function recounted(count: KeyCount | undefined, keyIds: ReadonlySet<string>, now: Date): KeyCount {
  const pending = (count?.pending ?? []).filter(
    ({ keyId, since }) => !keyIds.has(keyId) && now.getTime() - since.getTime() < RESERVATION_TTL_MS,
  )
  return { keys: keyIds.size, pending, countedAt: now }
}

/**
 * Whether the count is usable. New keys are not counted while the provider has no quota, so a change of the provider
 * requires a recount, and a second one a minute later, for keys that were being made during the change.
 */
export function isCurrent({ countedAt }: KeyCount, providerUpdatedAt: Date, now: Date): boolean {
  const settledMs = providerUpdatedAt.getTime() + SETTLED_MS
  return countedAt > providerUpdatedAt && (countedAt.getTime() >= settledMs || now.getTime() < settledMs)
}

/** Whether a recount may run again: the interval is 10 ms per key above 100, since a recount reads every key. */
export function mayRecount({ keys, countedAt }: KeyCount, now: Date): boolean {
  return now.getTime() - countedAt.getTime() >= (keys - FREE_RECOUNT_KEYS) * RECOUNT_MS_PER_KEY
}
