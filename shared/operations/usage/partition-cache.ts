import { keyName } from '../../domain/usage/counters.ts'
import type { DayCounters, UsageDelta, UsagePartition } from '../../domain/usage/usage.ts'
import type { PartitionMeta, UsageLedger } from '../../ports/usage.ts'

/** What was read of a partition. All of it holds as long as the fence in `meta` does. */
export interface KnownState {
  readonly meta: PartitionMeta
  /** By `keyName`; undefined for a key that has no row. */
  counters(name: string): DayCounters | undefined
}

/** What one process knows of a partition, so that it need not read again while it is the only one to write there. */
export interface PartitionMemory {
  /** The state with the counters of these keys; reads only what is not known. The fence is read before any counter. */
  recall(deltas: readonly UsageDelta[]): Promise<KnownState>
  /** After a commit of ours. */
  advance(meta: PartitionMeta, changed: readonly DayCounters[]): void
  /** When the fence may have moved. */
  forget(): void
}

const COUNTERS_MAX = 1000

export function partitionCache(partition: UsagePartition, ledger: UsageLedger): PartitionMemory {
  const counters = new Map<string, DayCounters | undefined>()
  let meta: PartitionMeta | undefined

  const learn = async (deltas: readonly UsageDelta[]): Promise<void> => {
    if (counters.size > COUNTERS_MAX) counters.clear()
    const missing = new Map(deltas.map((delta) => [keyName(delta), delta]))
    for (const name of counters.keys()) missing.delete(name)
    if (missing.size === 0) return
    const rows = await ledger.readCounters(partition, [...missing.values()])
    for (const name of missing.keys()) counters.set(name, undefined)
    for (const row of rows) counters.set(keyName(row), row)
  }

  return {
    recall: async (deltas) => {
      meta ??= await ledger.readMeta(partition)
      if (meta.state === 'open') await learn(deltas)
      return { meta, counters: (name) => counters.get(name) }
    },
    advance: (moved, changed) => {
      meta = moved
      for (const row of changed) counters.set(keyName(row), row)
    },
    forget: () => {
      meta = undefined
      counters.clear()
    },
  }
}
