import type { Revocation } from '../../domain/keys/key.ts'
import type { ReplicaStep } from '../../ports/key-cache.ts'

type ReadKey = ReplicaStep['keys'][number]
type ReadProvider = ReplicaStep['providers'][number]

/** What waits to be written to a replica. */
export interface ReplicaWriteBuffer {
  /** Nothing that was read before now is to stay. */
  forget(): void
  addKey(read: ReadKey): void
  addProvider(read: ReadProvider): void
  addRevocation(digest: string, revocation: Revocation): void
  removeKey(digest: string): void
  removeProvider(providerId: string): void
  moveWatermark(ms: number): void
  isEmpty(): boolean
  isKeyRemoved(digest: string): boolean
  isProviderRemoved(providerId: string): boolean
  /** The next rows to write: changes first, what was read after them, and the watermark with the last of the changes. */
  next(): ReplicaStep
  /** Drops what is written now. Nothing may have been added since `next`. */
  saved(step: ReplicaStep): void
}

/** Some milliseconds of work, in which nothing else is answered. */
const STEP_ROWS = 100
/** More than this is kept when it is read another time. */
const WAITING_MAX = 10_000
/** More changes than this are taken for "everything may have changed". */
const CHANGES_MAX = 50_000

export function replicaWriteBuffer(): ReplicaWriteBuffer {
  const keys = new Map<string, ReadKey>()
  const providers = new Map<string, ReadProvider>()
  const revoked = new Map<string, Revocation>()
  const removedKeys = new Set<string>()
  const removedProviders = new Set<string>()
  let isForgotten = false
  let watermarkMs: number | undefined

  const countChanges = () => revoked.size + removedKeys.size + removedProviders.size

  function forget(): void {
    for (const waiting of [keys, providers, removedKeys, removedProviders]) waiting.clear()
    isForgotten = true
  }

  function remove(waiting: Map<string, unknown>, removed: Set<string>, name: string): void {
    waiting.delete(name)
    removed.add(name)
    if (removed.size > CHANGES_MAX) forget()
  }

  return {
    forget,
    addKey: (read) => addBounded(keys, read.value.digest, read),
    addProvider: (read) => addBounded(providers, read.value.providerId, read),
    addRevocation: (digest, revocation) => void revoked.set(digest, revocation),
    removeKey: (digest) => remove(keys, removedKeys, digest),
    removeProvider: (providerId) => remove(providers, removedProviders, providerId),
    moveWatermark(ms) {
      watermarkMs = ms
    },
    isEmpty: () => countChanges() + keys.size + providers.size === 0 && !isForgotten && watermarkMs === undefined,
    isKeyRemoved: (digest) => isForgotten || removedKeys.has(digest),
    isProviderRemoved: (providerId) => isForgotten || removedProviders.has(providerId),
    next() {
      const changes = {
        revoked: first(revoked, STEP_ROWS).map(([digest, revocation]) => ({ digest, revocation })),
        removedKeys: first(removedKeys, STEP_ROWS),
        removedProviders: first(removedProviders, STEP_ROWS),
      }
      const isLast = countChanges() === Object.values(changes).reduce((sum, { length }) => sum + length, 0)
      return {
        ...{ ...changes, forget: isForgotten },
        keys: isLast ? first(keys.values(), STEP_ROWS) : [],
        providers: isLast ? first(providers.values(), STEP_ROWS) : [],
        watermarkMs: isLast ? watermarkMs : undefined,
      }
    },
    saved(step) {
      const readKeys = step.keys.map(({ value }) => value.digest)
      const readProviders = step.providers.map(({ value }) => value.providerId)
      drop(
        revoked,
        step.revoked.map(({ digest }) => digest),
      )
      drop(removedKeys, step.removedKeys)
      drop(removedProviders, step.removedProviders)
      drop(keys, readKeys)
      drop(providers, readProviders)
      if (step.watermarkMs !== undefined) watermarkMs = undefined
      isForgotten = false
    },
  }
}

function drop(waiting: Map<string, unknown> | Set<string>, names: readonly string[]): void {
  for (const name of names) waiting.delete(name)
}

function addBounded<Value>(waiting: Map<string, Value>, name: string, value: Value): void {
  if (waiting.size < WAITING_MAX || waiting.has(name)) waiting.set(name, value)
}

function first<Item>(items: Iterable<Item>, limit: number): Item[] {
  const found: Item[] = []
  for (const item of items) {
    if (found.length >= limit) break
    found.push(item)
  }
  return found
}
