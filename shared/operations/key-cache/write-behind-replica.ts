import type { Key, Revocation } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyReplica, ReadAt } from '../../ports/key-cache.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { throttledWarnings, type Warn } from '../throttled-warnings.ts'
import type { CachedEntry } from './read-through-cache.ts'
import { replicaWriteBuffer } from './replica-write-buffer.ts'

/**
 * The replica of the cache on the local disk, written behind in small steps. When the disk fails, logs a warning and
 * finds nothing; never throws.
 */
export interface WriteBehindReplica {
  keyRead(key: Key, ageMs: number): void
  providerRead(providerId: string, provider: Provider | undefined, ageMs: number): void
  keyChanged(digest: string): void
  keyRevoked(digest: string, revocation: Revocation): void
  /** Removes the key, and whatever the file still holds of it. */
  keyErased(digest: string): void
  providerChanged(providerId: string): void
  /** All changes up to this time were applied. */
  advanceWatermark(watermarkMs: number): void
  /** Invalidates everything read before now, except revocations. */
  invalidateAll(): void
  /** The time up to which the replica has all changes; undefined for a new replica, or when the disk fails. */
  watermarkMs(): number | undefined
  findKey(digest: string): CachedEntry<Key> | undefined
  /** The key at any age, invalidated or not. */
  recall(keyId: string): Key | undefined
  /** `value` is undefined for a negative entry. */
  findProvider(providerId: string): CachedEntry<Provider> | undefined
  findRevocation(digest: string): Revocation | undefined
  countKeys(): number
  /** The age of the watermark on the disk; undefined when there is none. */
  ageMs(): number | undefined
  /** Writes every buffered row, or stops at the first failure. */
  flush(): void
}

interface WriteBehindReplicaNeeds {
  readonly replica: KeyReplica
  readonly clock: Clock
  /** The store's time, as far as it is known. */
  readonly nowMs: () => number
  readonly scheduler: Scheduler
  readonly log: Log
}

/** Each step ends with a sync of the disk: rows that arrive within this time share one sync. */
const FLUSH_DELAY_MS = 1000
/** The delay of the next step while the buffer holds more rows than one step takes. */
const NEXT_STEP_MS = 200

/** A time further in the future was written by a wrong clock. The store's time is known to about a second. */
export const FUTURE_MS_MAX = 5000

export function writeBehindReplica(needs: WriteBehindReplicaNeeds): WriteBehindReplica {
  const { replica, clock, nowMs, scheduler, log } = needs
  const attempt = warnOnFailure(throttledWarnings(log, clock))
  const buffer = replicaWriteBuffer()
  // Read on first use: nothing is opened before.
  let watermark: { readonly ms: number | undefined } | undefined
  let cancel: (() => void) | undefined

  function writeStep(): boolean {
    const step = buffer.next()
    const isWritten = attempt(() => {
      replica.save(step)
      return true
    })
    if (isWritten) buffer.markWritten(step)
    return isWritten === true
  }

  function scheduleStep(delayMs = FLUSH_DELAY_MS): void {
    cancel ??= scheduler.after(delayMs, () => {
      cancel = undefined
      const isWritten = writeStep()
      if (!buffer.isEmpty()) scheduleStep(isWritten ? NEXT_STEP_MS : FLUSH_DELAY_MS)
    })
  }
  const buffering =
    <Args extends readonly unknown[]>(add: (...args: Args) => void) =>
    (...args: Args) => {
      add(...args)
      scheduleStep()
    }
  function watermarkMs(): number | undefined {
    watermark ??= { ms: attempt(() => replica.watermarkMs()) }
    return watermark.ms
  }
  const ageOf = (found: ReadAt<unknown>) => ageAt(nowMs(), found, watermarkMs())
  return {
    keyRead: buffering((key, ageMs) => buffer.addKey({ value: key, readAtMs: nowMs() - ageMs })),
    providerRead: buffering((providerId, provider, ageMs) =>
      buffer.addProvider({ value: { providerId, provider: provider ?? null }, readAtMs: nowMs() - ageMs }),
    ),
    ...{ keyChanged: buffering(buffer.removeKey), keyErased: buffering(buffer.eraseKey) },
    keyRevoked: buffering(buffer.addRevocation),
    providerChanged: buffering(buffer.removeProvider),
    invalidateAll: buffering(buffer.invalidateAll),
    advanceWatermark: buffering((ms) => {
      watermark = { ms }
      buffer.advanceWatermark(ms)
    }),
    watermarkMs,
    findKey(digest) {
      const found = attempt(() => replica.findByDigest(digest))
      if (found === undefined) return undefined
      return { value: found.value, ageMs: ageOf(found), isInvalidated: buffer.isKeyInvalidated(found.value.digest) }
    },
    recall: (keyId) => attempt(() => replica.findByKeyId(keyId))?.value,
    findProvider(providerId) {
      const found = attempt(() => replica.findProvider(providerId))
      const isInvalidated = buffer.isProviderInvalidated(providerId)
      return found && { value: found.value ?? undefined, ageMs: ageOf(found), isInvalidated }
    },
    findRevocation: (digest) => attempt(() => replica.findRevocation(digest)),
    countKeys: () => attempt(() => replica.countKeys()) ?? 0,
    ageMs() {
      const onDiskMs = attempt(() => replica.watermarkMs())
      return onDiskMs && Math.max(0, nowMs() - onDiskMs)
    },
    flush() {
      cancel?.()
      cancel = undefined
      while (!buffer.isEmpty()) if (!writeStep()) return
    },
  }
}

/** An entry is as old as its read or the watermark, whichever is later. An entry from the future may be of any age. */
function ageAt(nowMs: number, { readAtMs }: ReadAt<unknown>, watermarkMs = 0): number {
  const ageMs = nowMs - Math.max(readAtMs, watermarkMs)
  return ageMs < -FUTURE_MS_MAX ? Infinity : Math.max(0, ageMs)
}

/** Runs an access to the disk. When it throws, logs a warning and returns undefined. */
function warnOnFailure(warn: Warn) {
  return <T>(access: () => T): T | undefined => {
    try {
      return access()
    } catch (error) {
      warn('The replica on the local disk fails.', { cause: String(error) })
      return undefined
    }
  }
}
