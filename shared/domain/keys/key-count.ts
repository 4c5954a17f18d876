import { endsAt, type Key } from './key.ts'

/** A key that is being made: it holds a place until it is known whether it came to be. */
export interface PendingKey {
  readonly keyId: string
  readonly since: Date
}

/** How many keys a provider has, for its quota `max_keys`: never fewer than there are. */
export interface KeyCount {
  /** Those that were there at `countedAt`, and one for each that was made since. Keys that ended since are among them. */
  readonly keys: number
  readonly pending: readonly PendingKey[]
  /** When the keys were last counted one by one. */
  readonly countedAt: Date
}

/** `held`: the place is taken for this key now. `found`: an earlier try at the same key holds it. */
export type ReservationOutcome = 'reserved' | 'found' | 'full' | 'contended'

const PENDING_MAX = 300
/** By then a key is made or never will be: a request takes seconds. */
const PENDING_MS = 10 * 60 * 1000
const SETTLED_MS = 60_000
const FREE_RECOUNT_KEYS = 100
const RECOUNT_MS_PER_KEY = 10

/** Whether a key takes a place: not where it is revoked or expired, nor where a rotation has given it a successor. */
export function takesPlace(key: Key, now: Date): boolean {
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

/** The place of a key is the key's for good, or given back. One that is not pending was settled before. */
export function settlePlace(count: KeyCount, keyId: string, made: boolean): KeyCount {
  const pending = count.pending.filter((one) => one.keyId !== keyId)
  if (pending.length === count.pending.length) return count
  return { ...count, keys: made ? count.keys + 1 : count.keys, pending }
}

/** The count after a look at every key, begun at `now`, that found these to take a place. */
export function recounted(count: KeyCount | undefined, keyIds: ReadonlySet<string>, now: Date): KeyCount {
  const pending = (count?.pending ?? []).filter(
    ({ keyId, since }) => !keyIds.has(keyId) && now.getTime() - since.getTime() < PENDING_MS,
  )
  return { keys: keyIds.size, pending, countedAt: now }
}

/**
 * Whether a count can be built upon. Keys are not counted while the provider has no quota, so not where the provider was
 * changed since; and once more a minute after the change, for the keys that were being made meanwhile.
 */
export function isCurrent({ countedAt }: KeyCount, providerUpdatedAt: Date, now: Date): boolean {
  const settledMs = providerUpdatedAt.getTime() + SETTLED_MS
  return countedAt > providerUpdatedAt && (countedAt.getTime() >= settledMs || now.getTime() < settledMs)
}

/** Whether counting anew may find a place, and has not just been tried: the more keys, the longer that takes. */
export function mayRecount({ keys, countedAt }: KeyCount, now: Date): boolean {
  return now.getTime() - countedAt.getTime() >= (keys - FREE_RECOUNT_KEYS) * RECOUNT_MS_PER_KEY
}
