import type { Key, Revocation } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyReplica, ReadAt } from '../../ports/key-cache.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { throttledWarnings, type Warn } from '../throttled-warnings.ts'
import type { CachedEntry } from './read-through-cache.ts'
import { replicaWriteBuffer } from './replica-write-buffer.ts'

/**
 * What this instance knows, on its own disk: written behind its back, in small steps. A disk that fails is no
 * failure of this: nothing is found then.
 */
export interface WriteBehindReplica {
  keyRead(key: Key, ageMs: number): void
  providerRead(providerId: string, provider: Provider | undefined, ageMs: number): void
  keyChanged(digest: string): void
  keyRevoked(digest: string, revocation: Revocation): void
  providerChanged(providerId: string): void
  /** All changes up to this moment were told. */
  followed(watermarkMs: number): void
  /** Nothing that was read before now can be relied on any more; revocations can. */
  lost(): void
  /** The moment up to which all changes are in here; undefined where there is none that could be followed up from. */
  watermarkMs(): number | undefined
  findKey(digest: string): CachedEntry<Key> | undefined
  /** However old, and whatever was changed since. */
  recall(keyId: string): Key | undefined
  /** `value` undefined: there was none. */
  findProvider(providerId: string): CachedEntry<Provider> | undefined
  findRevocation(digest: string): Revocation | undefined
  countKeys(): number
  /** How long ago all changes up to then were on the disk; undefined for never. */
  ageMs(): number | undefined
  /** Writes all that waits. */
  flush(): void
}

interface WriteBehindReplicaNeeds {
  readonly replica: KeyReplica
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
}

/** Each step ends with a sync of the disk: what comes within that time shares one. */
const GATHERED_MS = 1000
/** Where more waits than one step takes. */
const NEXT_STEP_MS = 200

export function writeBehindReplica({ replica, clock, scheduler, log }: WriteBehindReplicaNeeds): WriteBehindReplica {
  const attempt = attempting(throttledWarnings(log, clock))
  const waiting = replicaWriteBuffer()
  const nowMs = () => clock.now().getTime()
  // Read when it is first needed: nothing is opened before.
  let watermark: { readonly ms: number | undefined } | undefined
  let cancel: (() => void) | undefined

  function saveOne(): boolean {
    const step = waiting.next()
    const isSaved = attempt(() => {
      replica.save(step)
      return true
    })
    if (isSaved) waiting.saved(step)
    return isSaved === true
  }

  function arm(delayMs = GATHERED_MS): void {
    cancel ??= scheduler.after(delayMs, () => {
      cancel = undefined
      const isSaved = saveOne()
      if (!waiting.isEmpty()) arm(isSaved ? NEXT_STEP_MS : GATHERED_MS)
    })
  }
  const noting =
    <Args extends readonly unknown[]>(note: (...args: Args) => void) =>
    (...args: Args) => {
      note(...args)
      arm()
    }
  function watermarkMs(): number | undefined {
    watermark ??= { ms: attempt(() => replica.watermarkMs()) }
    return watermark.ms
  }
  const ageOf = ({ readAtMs }: ReadAt<unknown>) => Math.max(0, nowMs() - Math.max(readAtMs, watermarkMs() ?? 0))

  return {
    keyRead: noting((key, ageMs) => waiting.addKey({ value: key, readAtMs: nowMs() - ageMs })),
    providerRead: noting((providerId, provider, ageMs) =>
      waiting.addProvider({ value: { providerId, provider: provider ?? null }, readAtMs: nowMs() - ageMs }),
    ),
    keyChanged: noting(waiting.removeKey),
    keyRevoked: noting(waiting.addRevocation),
    providerChanged: noting(waiting.removeProvider),
    lost: noting(waiting.forget),
    followed: noting((followedMs) => {
      watermark = { ms: followedMs }
      waiting.moveWatermark(followedMs)
    }),
    watermarkMs,
    findKey(digest) {
      const found = attempt(() => replica.findByDigest(digest))
      return found && { value: found.value, ageMs: ageOf(found), isInvalidated: waiting.isKeyRemoved(digest) }
    },
    recall: (keyId) => attempt(() => replica.findByKeyId(keyId))?.value,
    findProvider(providerId) {
      const found = attempt(() => replica.findProvider(providerId))
      const isInvalidated = waiting.isProviderRemoved(providerId)
      return found && { value: found.value ?? undefined, ageMs: ageOf(found), isInvalidated }
    },
    findRevocation: (digest) => attempt(() => replica.findRevocation(digest)),
    countKeys: () => attempt(() => replica.countKeys()) ?? 0,
    ageMs() {
      const savedMs = attempt(() => replica.watermarkMs())
      return savedMs === undefined ? undefined : Math.max(0, nowMs() - savedMs)
    },
    flush() {
      cancel?.()
      cancel = undefined
      while (!waiting.isEmpty()) if (!saveOne()) return
    },
  }
}

/** Runs what a disk may fail: undefined then, and a warning. */
function attempting(warn: Warn) {
  return <T>(work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      warn('The replica on the local disk fails.', { cause: String(error) })
      return undefined
    }
  }
}
