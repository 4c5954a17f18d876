import { LRUCache } from 'lru-cache'
import { AppError } from '../../domain/errors.ts'
import { invalidationLog, type Sequenced } from './invalidation-log.ts'

/** What is known, and how old that knowledge is: since its read, or since the feed last told that nothing had changed. */
export interface LookupResult<Value> {
  readonly value: Value | undefined
  readonly ageMs: number
  /** The store did not answer, and this is what was known before. */
  readonly degraded: boolean
  /** Where it was found; `stale` and `replica` are degraded. */
  readonly source: 'memory' | 'store' | 'stale' | 'replica'
}

/** What is kept, be it fresh or not. */
export interface CachedEntry<Value> {
  readonly value: Value | undefined
  readonly ageMs: number
  /** It was changed since. */
  readonly isInvalidated: boolean
}

interface Entry<Value> extends Sequenced {
  readonly value: Value | undefined
  readonly readAtMs: number
}

interface ReadThroughCacheOptions<Value> {
  readonly maxEntries: number
  /** How old knowledge may be that is served without asking the store. */
  readonly freshMs: number
  /** The same for "there is none" where the feed does not tell that there is one now; undefined where it does. */
  readonly negativeTtlMs: number | undefined
  /** How long ago the read of a value may be, however often it was confirmed since. */
  readonly maxAgeMs: number
  /** What `outdate` names a value by; for an absent one it is the index. */
  readonly tagOf: (value: Value) => string
  /** A time that never goes back. */
  readonly elapsedMs: () => number
  /** When all that is kept and not outdated was last confirmed; -Infinity for never, and then nothing is served. */
  readonly confirmedAtMs: () => number
  /** Told of every read whose answer is kept. */
  readonly onRead?: (index: string, value: Value | undefined, ageMs: number) => void
}

type Load<Value> = () => Promise<Value | undefined>

/** Values of a store, kept for a bounded time. */
export interface ReadThroughCache<Value> {
  /** The kept value if it is fresh; undefined if the store must be asked. Never waits. */
  peek(index: string): LookupResult<Value> | undefined
  /** Whether what is kept would be fresh if it were confirmed now. */
  canRevalidate(index: string): boolean
  /** What is kept, whether it may be served or not. */
  kept(index: string): CachedEntry<Value> | undefined
  /** Whether a value is kept, however old; "there is none" is none. */
  holds(index: string): boolean
  /** Asks the store through `load`; callers that ask for one index at one time share one read. */
  read(index: string, load: Load<Value>): Promise<LookupResult<Value>>
  /** Asks the store, whatever reads are under way, and keeps the answer. */
  refetch(index: string, load: Load<Value>): Promise<LookupResult<Value>>
  /** Nothing that was read before now under this tag is served again as it is, reads under way included. */
  invalidate(tag: string): void
  /** The same for everything. */
  invalidateAll(): void
  /** The first kept value that is so, however old. Looks at every one. */
  search(isSo: (value: Value) => boolean): Value | undefined
  size(): number
}

/** A read or poll that began longer ago is not joined: it may have hung, or the process may have been stopped meanwhile. */
export const SINGLE_FLIGHT_MS = 2000
/** More changes than this at once are remembered as "everything may have changed". */
const CHANGES_MAX = 50_000
const TRIES = 2

/**
 * A bounded cache whose ages run from the moment a read began, not from the moment it came back: only so is "a change
 * is seen within `freshMs`" true for a slow store.
 */
export function readThroughCache<Value>(options: ReadThroughCacheOptions<Value>): ReadThroughCache<Value> {
  const { elapsedMs } = options
  const entries = new LRUCache<string, Entry<Value>>({ max: options.maxEntries })
  const changes = invalidationLog(CHANGES_MAX)
  const { ageOf, isFresh, canRevalidate } = freshness(options)
  const readShared = singleFlight<Value>(elapsedMs)

  const isInvalidated = (index: string, entry: Entry<Value>) =>
    !changes.isClean(entry) &&
    changes.isInvalidated(entry.value === undefined ? index : options.tagOf(entry.value), entry)

  async function refetch(index: string, load: Load<Value>, tries = TRIES): Promise<LookupResult<Value>> {
    const sequence = changes.begin()
    const readAtMs = elapsedMs()
    const entry = { value: await load(), readAtMs, sequence, checkedUpTo: sequence }
    // What was changed here while the read was under way may have been read as it was before.
    if (isInvalidated(index, entry)) return refetch(index, load)
    const ageMs = elapsedMs() - readAtMs
    if (ageMs >= options.freshMs) {
      if (tries > 1) return refetch(index, load, tries - 1)
      throw new AppError('store_unavailable', 'The store answers too slowly. Try again.', { retryAfterSeconds: 1 })
    }
    if ((entries.peek(index)?.sequence ?? 0) < sequence) {
      entries.set(index, entry)
      options.onRead?.(index, entry.value, ageMs)
    }
    return { value: entry.value, ageMs, degraded: false, source: 'store' }
  }

  return {
    peek(index) {
      const entry = entries.get(index)
      if (entry === undefined || isInvalidated(index, entry)) return undefined
      const nowMs = elapsedMs()
      const ageMs = ageOf(entry, nowMs)
      if (!isFresh(entry, ageMs, nowMs)) return undefined
      return { value: entry.value, ageMs, degraded: false, source: 'memory' }
    },
    canRevalidate(index) {
      const entry = entries.peek(index)
      return entry !== undefined && !isInvalidated(index, entry) && canRevalidate(entry, elapsedMs())
    },
    kept(index) {
      const entry = entries.get(index)
      if (entry === undefined) return undefined
      return { value: entry.value, ageMs: ageOf(entry, elapsedMs()), isInvalidated: isInvalidated(index, entry) }
    },
    holds: (index) => entries.peek(index)?.value !== undefined,
    read: (index, load) => readShared(index, () => refetch(index, load)),
    refetch: (index, load) => refetch(index, load),
    invalidate: (tag) => changes.record(tag),
    invalidateAll: () => changes.recordAll(),
    search(isSo) {
      for (const { value } of entries.values()) if (value !== undefined && isSo(value)) return value
      return undefined
    },
    size: () => entries.size,
  }
}

/** How old an entry is, and whether that is young enough: by the same steps for "there is none", which take the same time. */
function freshness<Value>({ freshMs, negativeTtlMs, maxAgeMs, confirmedAtMs }: ReadThroughCacheOptions<Value>) {
  const isUnfollowed = (entry: Entry<Value>) => entry.value === undefined && negativeTtlMs !== undefined
  return {
    ageOf(entry: Entry<Value>, nowMs: number): number {
      const confirmedMs = confirmedAtMs()
      return nowMs - Math.max(entry.readAtMs, isUnfollowed(entry) ? -Infinity : confirmedMs)
    },
    isFresh(entry: Entry<Value>, ageMs: number, nowMs: number): boolean {
      const boundMs = isUnfollowed(entry) ? (negativeTtlMs ?? freshMs) : freshMs
      return ageMs < boundMs && nowMs - entry.readAtMs < maxAgeMs && confirmedAtMs() > -Infinity
    },
    canRevalidate: (entry: Entry<Value>, nowMs: number) => !isUnfollowed(entry) && nowMs - entry.readAtMs < maxAgeMs,
  }
}

/** Lets those who ask for one index at one time share one read. */
function singleFlight<Value>(elapsedMs: () => number) {
  const reading = new Map<string, { readonly begunAtMs: number; readonly result: Promise<LookupResult<Value>> }>()
  return (index: string, read: () => Promise<LookupResult<Value>>): Promise<LookupResult<Value>> => {
    const nowMs = elapsedMs()
    const underWay = reading.get(index)
    if (underWay !== undefined && nowMs - underWay.begunAtMs < SINGLE_FLIGHT_MS) return underWay.result
    const result = read().finally(() => {
      if (reading.get(index)?.result === result) reading.delete(index)
    })
    reading.set(index, { begunAtMs: nowMs, result })
    return result
  }
}
