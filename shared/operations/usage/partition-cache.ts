import { keyName } from '../../domain/usage/counters.ts'
import type { DayCounters, UsageDelta, UsagePartition } from '../../domain/usage/usage.ts'
import type { PartitionMeta, UsageLedger } from '../../ports/usage.ts'

/** A partition as it was read. Valid while the fence in `meta` holds. */
export interface CachedState {
  readonly meta: PartitionMeta
  /** By `keyName`; undefined for a key that has no row. */
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

const COUNTERS_MAX = 1000

export function partitionCache(partition: UsagePartition, ledger: UsageLedger): PartitionCache {
  const counters = new Map<string, DayCounters | undefined>()
  let meta: PartitionMeta | undefined

  const load = async (deltas: readonly UsageDelta[]): Promise<void> => {
    if (counters.size > COUNTERS_MAX) counters.clear()
    const missing = new Map(deltas.map((delta) => [keyName(delta), delta]))
    for (const name of counters.keys()) missing.delete(name)
    if (missing.size === 0) return
    const rows = await ledger.readCounters(partition, [...missing.values()])
    for (const name of missing.keys()) counters.set(name, undefined)
    for (const row of rows) counters.set(keyName(row), row)
  }

  return {
    read: async (deltas) => {
      meta ??= await ledger.readMeta(partition)
      if (meta.state === 'open') await load(deltas)
      return { meta, counters: (name) => counters.get(name) }
    },
    advance: (moved, changed) => {
      meta = moved
      for (const row of changed) counters.set(keyName(row), row)
    },
    invalidate: () => {
      meta = undefined
      counters.clear()
    },
  }
}
