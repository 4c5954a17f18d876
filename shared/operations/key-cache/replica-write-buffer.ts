import type { Revocation } from '../../domain/keys/key.ts'
import type { ReplicaStep } from '../../ports/key-cache.ts'

type ReadKey = ReplicaStep['keys'][number]
type ReadProvider = ReplicaStep['providers'][number]

/** The rows that wait to be written to the replica. */
export interface ReplicaWriteBuffer {
  /** Drops every buffered read, and deletes every key and provider from the replica with the next step. */
  invalidateAll(): void
  addKey(read: ReadKey): void
  addProvider(read: ReadProvider): void
  addRevocation(digest: string, revocation: Revocation): void
  removeKey(digest: string): void
  eraseKey(digest: string): void
  removeProvider(providerId: string): void
  advanceWatermark(ms: number): void
  isEmpty(): boolean
  isKeyInvalidated(digest: string): boolean
  isProviderInvalidated(providerId: string): boolean
  /** The next step to write: changes first, then reads. The watermark is written with the last change. */
  next(): ReplicaStep
  /** Drops the rows of a written step. Nothing may have been added since `next`. */
  markWritten(step: ReplicaStep): void
}

/** Some milliseconds of work, during which the event loop is blocked. */
const STEP_ROWS = 100
/** Reads beyond this bound are dropped: a later read of the same row is buffered instead. */
const READS_MAX = 10_000
/** More changes than this invalidate the whole replica. */
const CHANGES_MAX = 50_000

export function replicaWriteBuffer(): ReplicaWriteBuffer {
  const keys = new Map<string, ReadKey>()
  const providers = new Map<string, ReadProvider>()
  const revoked = new Map<string, Revocation>()
  const removedKeys = new Set<string>()
  const erasedKeys = new Set<string>()
  const removedProviders = new Set<string>()
  let isAllInvalidated = false
  let watermarkMs: number | undefined

  const pendingChanges = () => revoked.size + removedKeys.size + erasedKeys.size + removedProviders.size

  function invalidateAll(): void {
    for (const rows of [keys, providers, removedKeys, removedProviders]) rows.clear()
    isAllInvalidated = true
  }

  function remove(reads: Map<string, unknown>, removed: Set<string>, name: string): void {
    reads.delete(name)
    removed.add(name)
    if (removed.size > CHANGES_MAX) invalidateAll()
  }

  return {
    invalidateAll,
    addKey: (read) => addBounded(keys, read.value.digest, read),
    addProvider: (read) => addBounded(providers, read.value.providerId, read),
    addRevocation: (digest, revocation) => void revoked.set(digest, revocation),
    removeKey: (digest) => remove(keys, removedKeys, digest),
    eraseKey: (digest) => remove(keys, erasedKeys, digest),
    removeProvider: (providerId) => remove(providers, removedProviders, providerId),
    advanceWatermark(ms) {
      watermarkMs = ms
    },
    isEmpty: () =>
      pendingChanges() + keys.size + providers.size === 0 && !isAllInvalidated && watermarkMs === undefined,
    isKeyInvalidated: (digest) => isAllInvalidated || removedKeys.has(digest) || erasedKeys.has(digest),
    isProviderInvalidated: (providerId) => isAllInvalidated || removedProviders.has(providerId),
    next() {
      const changes = {
        revoked: first(revoked, STEP_ROWS).map(([digest, revocation]) => ({ digest, revocation })),
        removedKeys: first(removedKeys, STEP_ROWS),
        // Last of all: this step clears the file of what the revocations before it replaced.
        erasedKeys: revoked.size > STEP_ROWS ? [] : first(erasedKeys, STEP_ROWS),
        removedProviders: first(removedProviders, STEP_ROWS),
      }
      const isLast = pendingChanges() === Object.values(changes).reduce((sum, { length }) => sum + length, 0)
      return {
        ...{ ...changes, forget: isAllInvalidated },
        keys: isLast ? first(keys.values(), STEP_ROWS) : [],
        providers: isLast ? first(providers.values(), STEP_ROWS) : [],
        watermarkMs: isLast ? watermarkMs : undefined,
      }
    },
    markWritten(step) {
      const readKeys = step.keys.map(({ value }) => value.digest)
      const readProviders = step.providers.map(({ value }) => value.providerId)
      const revokedKeys = step.revoked.map(({ digest }) => digest)
      drop(revoked, revokedKeys)
      drop(removedKeys, step.removedKeys)
      drop(erasedKeys, step.erasedKeys)
      drop(removedProviders, step.removedProviders)
      drop(keys, readKeys)
      drop(providers, readProviders)
      if (step.watermarkMs !== undefined) watermarkMs = undefined
      isAllInvalidated = false
    },
  }
}

function drop(rows: Map<string, unknown> | Set<string>, names: readonly string[]): void {
  for (const name of names) rows.delete(name)
}

function addBounded<Value>(reads: Map<string, Value>, name: string, value: Value): void {
  if (reads.size < READS_MAX || reads.has(name)) reads.set(name, value)
}

function first<Item>(items: Iterable<Item>, limit: number): Item[] {
  const found: Item[] = []
  for (const item of items) {
    if (found.length >= limit) break
    found.push(item)
  }
  return found
}
