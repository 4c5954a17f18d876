import { LRUCache } from 'lru-cache'
import { AppError } from '../../domain/errors.ts'
import { invalidationLog, type Sequenced } from './invalidation-log.ts'

/** A value and its age: the time since its read, or since its last revalidation. */
export interface LookupResult<Value> {
  readonly value: Value | undefined
  readonly ageMs: number
  /** The store did not answer: a stale value is served. */
  readonly degraded: boolean
  /** The tier that answered; `stale` and `replica` are degraded. */
  readonly source: 'memory' | 'store' | 'stale' | 'replica'
}

/** A cache entry, fresh or stale. */
export interface CachedEntry<Value> {
  readonly value: Value | undefined
  readonly ageMs: number
  /** Whether the value was changed since its read. */
  readonly isInvalidated: boolean
}

interface Entry<Value> extends Sequenced {
  readonly value: Value | undefined
  readonly readAtMs: number
}

interface ReadThroughCacheOptions<Value> {
  readonly maxEntries: number
  /** The freshness lifetime: a younger value is served without a request. */
  readonly freshMs: number
  /** The TTL of a negative entry; undefined where the feed announces the creation of a value. */
  readonly negativeTtlMs: number | undefined
  /** The longest time since the read of a value; revalidation does not extend it. */
  readonly maxAgeMs: number
  /** The tag by which `invalidate` names a value. A negative entry's tag is its index. */
  readonly tagOf: (value: Value) => string
  /** Monotonic milliseconds. */
  readonly elapsedMs: () => number
  /** When all entries that are not invalidated were last revalidated. -Infinity for never: no entry is served then. */
  readonly revalidatedAtMs: () => number
  /** Called after every read that is stored in the cache. */
  readonly onRead?: (index: string, value: Value | undefined, ageMs: number) => void
}

type Load<Value> = () => Promise<Value | undefined>

/** A read-through cache over a store, with negative caching. */
export interface ReadThroughCache<Value> {
  /** The cached value if it is fresh, else undefined. Makes no request. */
  peek(index: string): LookupResult<Value> | undefined
  /** Whether a revalidation now would make the entry fresh. */
  canRevalidate(index: string): boolean
  /** The cached entry, fresh, stale or invalidated. */
  entry(index: string): CachedEntry<Value> | undefined
  /** Whether a value is cached, at any age; false for a negative entry. */
  has(index: string): boolean
  /** Reads the store through `load`. Single flight: concurrent reads of one index share one request. */
  read(index: string, load: Load<Value>): Promise<LookupResult<Value>>
  /**
   * Reads the store and caches the result. Joins no read in flight, as that may have begun before a change: waits for it,
   * and shares the next read with every caller that waits. So at most one such read of an index is in flight.
   */
  refetch(index: string, load: Load<Value>): Promise<LookupResult<Value>>
  /** Invalidates every value read under this tag before now, including reads in flight. */
  invalidate(tag: string): void
  /** Drops every entry, and invalidates the reads in flight. */
  invalidateAll(): void
  /** Drops every value with one of these tags, invalidated or not. Scans the whole cache. */
  evict(tags: ReadonlySet<string>): void
  /** The first cached value that matches, at any age. Scans the whole cache. */
  search(matches: (value: Value) => boolean): Value | undefined
  size(): number
}

/** A read or poll that began earlier is not joined: it may hang, or the process may have been suspended since. */
export const SINGLE_FLIGHT_MS = 2000
/** More changes than this invalidate every entry. */
const CHANGES_MAX = 50_000
/** How often a value is read that changes during each read; a read that takes too long counts twice. */
const ATTEMPTS = 4

/**
 * A bounded LRU cache. The age of a value counts from the start of its read, not from the response: otherwise a slow
 * store would break the promise that a change is seen within `freshMs`.
 */
export function readThroughCache<Value>(options: ReadThroughCacheOptions<Value>): ReadThroughCache<Value> {
  const { elapsedMs } = options
  const entries = new LRUCache<string, Entry<Value>>({ max: options.maxEntries })
  const changes = invalidationLog(CHANGES_MAX)
  const { ageOf, isFresh, canRevalidate } = freshness(options)
  const sharedRead = singleFlight<Value>(elapsedMs)
  const sharedRefetch = trailingFlight<Value>()

  const isInvalidated = (index: string, entry: Entry<Value>) =>
    !changes.isClean(entry) &&
    changes.isInvalidated(entry.value === undefined ? index : options.tagOf(entry.value), entry)

  async function refetch(index: string, load: Load<Value>, attempts = ATTEMPTS): Promise<LookupResult<Value>> {
    const retry = (cost: number, reason: string) => {
      if (attempts > cost) return refetch(index, load, attempts - cost)
      throw new AppError('store_unavailable', reason, { retryAfterSeconds: 1 })
    }
    const sequence = changes.begin()
    const readAtMs = elapsedMs()
    const entry = { value: await load(), readAtMs, sequence, checkedUpTo: sequence }
    // The value was invalidated during the read: the read may have returned the old one.
    if (isInvalidated(index, entry)) return retry(1, 'The key or provider keeps changing. Try again.')
    const ageMs = elapsedMs() - readAtMs
    if (ageMs >= options.freshMs) return retry(2, 'The store answers too slowly. Try again.')
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
    entry(index) {
      const entry = entries.get(index)
      if (entry === undefined) return undefined
      return { value: entry.value, ageMs: ageOf(entry, elapsedMs()), isInvalidated: isInvalidated(index, entry) }
    },
    has: (index) => entries.peek(index)?.value !== undefined,
    read: (index, load) => sharedRead(index, () => refetch(index, load)),
    refetch: (index, load) => sharedRefetch(index, () => refetch(index, load)),
    invalidate: (tag) => changes.record(tag),
    invalidateAll() {
      changes.recordAll()
      // An erasure may be among the changes that were missed.
      entries.clear()
    },
    evict(tags) {
      for (const [index, { value }] of [...entries.entries()]) {
        if (value !== undefined && tags.has(options.tagOf(value))) entries.delete(index)
      }
    },
    search(matches) {
      for (const { value } of entries.values()) if (value !== undefined && matches(value)) return value
      return undefined
    },
    size: () => entries.size,
  }
}

/** The age and freshness of an entry. A negative entry runs the same steps, so timing cannot tell the two apart. */
function freshness<Value>({ freshMs, negativeTtlMs, maxAgeMs, revalidatedAtMs }: ReadThroughCacheOptions<Value>) {
  const hasNegativeTtl = (entry: Entry<Value>) => entry.value === undefined && negativeTtlMs !== undefined
  return {
    ageOf(entry: Entry<Value>, nowMs: number): number {
      const revalidatedMs = revalidatedAtMs()
      return nowMs - Math.max(entry.readAtMs, hasNegativeTtl(entry) ? -Infinity : revalidatedMs)
    },
    isFresh(entry: Entry<Value>, ageMs: number, nowMs: number): boolean {
      const boundMs = hasNegativeTtl(entry) ? (negativeTtlMs ?? freshMs) : freshMs
      return ageMs < boundMs && nowMs - entry.readAtMs < maxAgeMs && revalidatedAtMs() > -Infinity
    },
    canRevalidate: (entry: Entry<Value>, nowMs: number) => !hasNegativeTtl(entry) && nowMs - entry.readAtMs < maxAgeMs,
  }
}

/** Concurrent reads of one index share one request. */
function singleFlight<Value>(elapsedMs: () => number) {
  const inFlight = new Map<string, { readonly begunAtMs: number; readonly result: Promise<LookupResult<Value>> }>()
  return (index: string, read: () => Promise<LookupResult<Value>>): Promise<LookupResult<Value>> => {
    const nowMs = elapsedMs()
    const earlier = inFlight.get(index)
    if (earlier !== undefined && nowMs - earlier.begunAtMs < SINGLE_FLIGHT_MS) return earlier.result
    const result = read().finally(() => {
      if (inFlight.get(index)?.result === result) inFlight.delete(index)
    })
    inFlight.set(index, { begunAtMs: nowMs, result })
    return result
  }
}

/** One read of an index at a time. Callers that come during a read share the one that begins after it. */
function trailingFlight<Value>() {
  const inFlight = new Map<string, { current: Promise<unknown>; next: Promise<LookupResult<Value>> | undefined }>()

  function begin(index: string, read: () => Promise<LookupResult<Value>>): Promise<LookupResult<Value>> {
    const result = read()
    const flight = { current: result, next: undefined }
    inFlight.set(index, flight)
    return result.finally(() => {
      if (inFlight.get(index) === flight && flight.next === undefined) inFlight.delete(index)
    })
  }

  return (index: string, read: () => Promise<LookupResult<Value>>): Promise<LookupResult<Value>> => {
    const flight = inFlight.get(index)
    if (flight === undefined) return begin(index, read)
    flight.next ??= flight.current.then(
      () => begin(index, read),
      () => begin(index, read),
    )
    return flight.next
  }
}
