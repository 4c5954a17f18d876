import { LRUCache } from 'lru-cache'
import type { DayCounters } from '../../domain/usage/usage.ts'

/** Counters of all partitions by name, the most recently used ones: bounded in bytes, whatever the size of a row. */
export interface CountersCache {
  /** Returns null for a key that has no row, and undefined for a cache miss. */
  get(name: string): DayCounters | null | undefined
  set(name: string, row: DayCounters | null): void
  /** The estimated bytes of all entries. Never above the bound. */
  bytes(): number
  /** Returns a number that no caller has got before: it begins the names of one reading of a partition. */
  nextGeneration(): number
}

/** Enough for the days of about 16,000 keys with a few endpoints each. */
const BYTES_MAX = 32 * 1024 * 1024

/** Bytes of a row with its objects, arrays and fixed texts, and of its entry in the cache. */
const ROW_BYTES = 1600
const ENTRY_BYTES = 300
/** Bytes of a name in a map of counts beside its characters. */
const COUNT_BYTES = 60

export function countersCache(maxBytes: number = BYTES_MAX): CountersCache {
  const rows = new LRUCache<string, { readonly row: DayCounters | null }>({
    maxSize: maxBytes,
    sizeCalculation: ({ row }, name) => ENTRY_BYTES + 2 * name.length + (row === null ? 0 : bytesOf(row)),
  })
  let generations = 0
  return {
    get: (name) => rows.get(name)?.row,
    set: (name, row) => void rows.set(name, { row }),
    bytes: () => rows.calculatedSize,
    nextGeneration: () => ++generations,
  }
}

/** An upper estimate: two bytes for each character. */
function bytesOf({ ownerId, endpoints, outcomes, statusClasses, lastRevokedUse }: DayCounters): number {
  const counts = [endpoints, outcomes, statusClasses].reduce((sum, names) => sum + bytesOfNames(names), 0)
  return ROW_BYTES + counts + 2 * ((ownerId?.length ?? 0) + (lastRevokedUse?.endpoint.length ?? 0))
}

function bytesOfNames(counts: Readonly<Record<string, number>>): number {
  return Object.keys(counts).reduce((sum, name) => sum + COUNT_BYTES + 2 * name.length, 0)
}
