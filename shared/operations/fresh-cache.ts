import { LRUCache } from 'lru-cache'
import type { Clock } from '../ports.ts'

/** What was read, and how old it is. */
export interface Fresh<Value> {
  readonly value: Value | undefined
  readonly ageMs: number
  /** The store did not answer, and this is older than what is served while it does. */
  readonly degraded: boolean
}

interface Entry<Value> {
  readonly value: Value | undefined
  readonly readAtMs: number
  /** Where the beginning of its read stands among all reads and changes: two of them may share a millisecond. */
  readonly turn: number
}

interface FreshCacheOptions<Value> {
  readonly maxEntries: number
  /** How old a value may be that is served without asking the store. */
  readonly freshMs: number
  /** The same for "there is none": shorter, so that what was just created is soon seen. */
  readonly absentFreshMs: number
  /** What `outdate` names a value by; for an absent one it is the index. */
  readonly tagOf: (value: Value) => string
}

/** Values of a store, kept for a bounded time. */
export interface FreshCache<Value> {
  /** The kept value if it is fresh; undefined if the store must be asked. Never waits. */
  peek(index: string): Fresh<Value> | undefined
  /** Whether a value is kept, however old; "there is none" is none. */
  holds(index: string): boolean
  /** Asks the store through `load`; callers that ask for one index at one time share one read. */
  read(index: string, load: () => Promise<Value | undefined>): Promise<Fresh<Value>>
  /** Asks the store, whatever reads are under way, and keeps the answer. */
  readAnew(index: string, load: () => Promise<Value | undefined>): Promise<Fresh<Value>>
  /** Nothing that was read before now under this tag is served again, reads under way included. */
  outdate(tag: string): void
  /** The first kept value that is so, however old. Looks at every one. */
  search(isSo: (value: Value) => boolean): Value | undefined
}

/**
 * A bounded cache whose ages run from the moment a read began, not from the moment it came back: only so is "a change
 * is seen within `freshMs`" true for a slow store.
 */
export function freshCache<Value>(clock: Clock, options: FreshCacheOptions<Value>): FreshCache<Value> {
  const entries = new LRUCache<string, Entry<Value>>({ max: options.maxEntries })
  const reading = new Map<string, Promise<Fresh<Value>>>()
  const changes = new Map<string, { readonly turn: number; readonly atMs: number }>()
  let turns = 0

  function isOutdated(index: string, { value, turn }: Entry<Value>): boolean {
    if (changes.size === 0) return false
    const change = changes.get(value === undefined ? index : options.tagOf(value))
    return change !== undefined && turn < change.turn
  }

  async function readAnew(index: string, load: () => Promise<Value | undefined>): Promise<Fresh<Value>> {
    const begun = { readAtMs: clock.monotonicMs(), turn: ++turns }
    const entry = { value: await load(), ...begun }
    // What was changed here while the read was under way may have been read as it was before.
    if (isOutdated(index, entry)) return readAnew(index, load)
    if ((entries.get(index)?.turn ?? 0) < entry.turn) entries.set(index, entry)
    return { value: entry.value, ageMs: clock.monotonicMs() - entry.readAtMs, degraded: false }
  }

  return {
    peek(index) {
      const entry = entries.get(index)
      if (entry === undefined) return undefined
      const ageMs = clock.monotonicMs() - entry.readAtMs
      const freshMs = entry.value === undefined ? options.absentFreshMs : options.freshMs
      return ageMs < freshMs && !isOutdated(index, entry) ? { value: entry.value, ageMs, degraded: false } : undefined
    },
    holds: (index) => entries.peek(index)?.value !== undefined,
    read(index, load) {
      const underWay = reading.get(index)
      if (underWay !== undefined) return underWay
      const promise = readAnew(index, load).finally(() => reading.delete(index))
      reading.set(index, promise)
      return promise
    },
    readAnew,
    outdate(tag) {
      const nowMs = clock.monotonicMs()
      for (const [old, { atMs }] of changes) {
        // Whatever was read before then is no longer fresh anyway, unless a read takes longer than that to come back.
        if (nowMs - atMs > 10 * options.freshMs) changes.delete(old)
      }
      changes.set(tag, { turn: ++turns, atMs: nowMs })
    },
    search(isSo) {
      for (const { value } of entries.values()) if (value !== undefined && isSo(value)) return value
      return undefined
    },
  }
}
