import { keyName } from '../../domain/usage/counters.ts'
import { partitionName } from '../../domain/usage/partition.ts'
import type { DayCounters, UsageDelta, UsagePartition } from '../../domain/usage/usage.ts'
import type { KeyRef, PartitionMeta, UsageLedger } from '../../ports/usage.ts'
import type { CountersCache } from './counters-cache.ts'

/** A partition as it was read. Valid while the fence in `meta` holds. */
export interface CachedState {
  readonly meta: PartitionMeta
  /** By `keyName`, for the keys that were read; undefined for a key that has no row. */
  counters(name: string): DayCounters | undefined
}

/** Caches one partition. A process reads nothing again while it is the only writer of the partition. */
export interface PartitionCache {
  /** Returns the state with the counters of these keys. Reads only cache misses, and the fence before any counter. */
  read(deltas: readonly UsageDelta[]): Promise<CachedState>
  /** Updates the cache after a commit of this process. */
  advance(meta: PartitionMeta, changed: readonly DayCounters[]): void
  /** Call when the fence may have moved. */
  invalidate(): void
}

/** Keeps the fence. The counters are in `cache`, which may evict a row at any time, but never from a state. */
export function partitionCache(partition: UsagePartition, ledger: UsageLedger, cache: CountersCache): PartitionCache {
  let meta: PartitionMeta | undefined
  let generation = cache.nextGeneration()
  const nameIn = (name: string) => `${generation}|${partitionName(partition)}|${name}`

  /** Rows evicted while others are read would count from zero: so the state holds its own references. */
  const load = async (deltas: readonly UsageDelta[]): Promise<ReadonlyMap<string, DayCounters | null | undefined>> => {
    const cached = new Map(deltas.map((delta) => [keyName(delta), cache.get(nameIn(keyName(delta)))]))
    const missing = new Map(deltas.flatMap((delta) => (cached.get(keyName(delta)) === undefined ? [named(delta)] : [])))
    const rows = missing.size === 0 ? [] : await ledger.readCounters(partition, [...missing.values()])
    const absent = [...missing.keys()].map((name): [string, null] => [name, null])
    const read = new Map<string, DayCounters | null>([...absent, ...rows.map(named)])
    for (const [name, row] of read) cache.set(nameIn(name), row)
    return new Map([...cached, ...read])
  }

  return {
    read: async (deltas) => {
      meta ??= await ledger.readMeta(partition)
      const state = meta.state === 'open' ? await load(deltas) : undefined
      return { meta, counters: (name) => state?.get(name) ?? undefined }
    },
    advance: (moved, changed) => {
      meta = moved
      for (const row of changed) cache.set(nameIn(keyName(row)), row)
    },
    invalidate: () => {
      meta = undefined
      generation = cache.nextGeneration()
    },
  }
}

function named<Item extends KeyRef>(item: Item): [string, Item] {
  return [keyName(item), item]
}
