import { RefusedByStore } from '../../../shared/domain/errors.ts'
import { keyName } from '../../../shared/domain/usage/counters.ts'
import { erasedDeltas } from '../../../shared/domain/usage/erasure.ts'
import { partitionName } from '../../../shared/domain/usage/partition.ts'
import type { UsagePartition } from '../../../shared/domain/usage/usage.ts'
import type {
  AppliedBatch,
  LateBatch,
  LateUsage,
  LedgerRow,
  PartitionChange,
  PartitionMeta,
  ScannedCounters,
  UsageLedger,
  UsageMonths,
} from '../../../shared/ports/usage.ts'

export interface HeldPartition {
  readonly partition: UsagePartition
  meta: PartitionMeta
  readonly applied: Map<string, AppliedBatch>
  readonly counters: Map<string, ScannedCounters>
}

export interface MemoryUsageLedger extends UsageLedger, UsageMonths {
  /** Everything that is stored. */
  held(): readonly HeldPartition[]
}

const nothing: PartitionMeta = { fence: null, state: 'open', batches: 0, total: 0 }

/** A UsageLedger in memory that answers like a table: it checks the dedupe row before the fence. */
export function memoryUsageLedger(): MemoryUsageLedger {
  const partitions = new Map<string, HeldPartition>()

  const find = (partition: UsagePartition): HeldPartition =>
    partitions.get(partitionName(partition)) ?? { partition, meta: nothing, applied: new Map(), counters: new Map() }

  const store = (held: HeldPartition, meta: PartitionMeta): void => {
    held.meta = meta
    partitions.set(partitionName(held.partition), held)
  }

  const moved = ({ meta: { fence } }: HeldPartition): string => String(Number(fence) + 1)

  const apply = (held: HeldPartition, change: PartitionChange): PartitionMeta => {
    const batches = change.meta.batches + change.applied.length
    const total = change.applied.reduce((sum, batch) => sum + batch.count, change.meta.total)
    for (const batch of change.applied) held.applied.set(batch.batchId, batch)
    for (const row of change.counters) held.counters.set(keyName(row), { ...row, version: batches })
    const meta: PartitionMeta = { fence: moved(held), state: 'open', batches, total }
    store(held, meta)
    return meta
  }

  return {
    readMeta: async (partition) => find(partition).meta,
    readCounters: async (partition, keys) => {
      const rows = keys.flatMap((key) => find(partition).counters.get(keyName(key)) ?? [])
      return rows.map(({ version: _, ...row }) => row)
    },
    commit: async (partition, change) => {
      if (1 + change.applied.length + change.counters.length > 100) throw new RangeError('Too many rows.')
      if (change.counters.some(({ ownerId }) => ownerId === '')) throw new RefusedByStore('An owner has no name.')
      const held = find(partition)
      if (change.applied.some((batch) => held.applied.has(batch.batchId))) return { kind: 'duplicate' }
      if (held.meta.fence !== change.meta.fence) return { kind: 'fenced' }
      return { kind: 'committed', meta: apply(held, change) }
    },
    eraseCounters: async (partition, key, erase) => {
      const held = find(partition)
      const { version = 0, ...before } = held.counters.get(keyName(key)) ?? { version: undefined }
      const erased = erase('keyId' in before ? before : undefined)
      if (erased === undefined) return 'unchanged'
      held.counters.set(keyName(key), { ...erased, version })
      store(held, { ...held.meta, fence: moved(held) })
      return 'erased'
    },
    findApplied: async (partition, batchIds) => {
      const found = batchIds.flatMap((id) => find(partition).applied.get(id) ?? [])
      return new Map(found.map(({ batchId, split }) => [batchId, split ? 'split' : 'counted']))
    },
    seal: async (partition) => {
      const held = find(partition)
      if (held.meta.state === 'open') store(held, { ...held.meta, fence: moved(held), state: 'sealed' })
    },
    scan: async (partition) => {
      const { meta, applied, counters } = find(partition)
      const batches = [...applied.values()].map((batch) => ({ kind: 'batch' as const, batch }))
      const rows = [...counters.values()].map((row) => ({ kind: 'counters' as const, counters: row }))
      return { meta, rows: streamed<LedgerRow>([...batches, ...rows]) }
    },
    scanCounters: async (partition) => {
      const { meta, counters } = find(partition)
      return { meta, counters: streamed([...counters.values()]) }
    },
    exists: async (month) => [...partitions.keys()].some((name) => name.startsWith(month)),
    drop: async (month) => {
      for (const name of partitions.keys()) if (name.startsWith(month)) partitions.delete(name)
    },
    held: () => [...partitions.values()],
  }
}

/** The items as they were when it was called. */
export async function* streamed<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items
}

export interface MemoryLateUsage extends LateUsage {
  held(): readonly LateBatch[]
}

export function memoryLateUsage(): MemoryLateUsage {
  const late = new Map<string, LateBatch>()
  return {
    put: async (batch) => {
      late.set(`${partitionName(batch.partition)}|${batch.batchId}`, batch)
    },
    eraseKey: async (key) => {
      let changed = 0
      for (const [name, batch] of late) {
        const deltas = erasedDeltas(batch.deltas, key)
        if (deltas === batch.deltas) continue
        late.set(name, { ...batch, deltas })
        changed++
      }
      return { changed, next: null }
    },
    scan: (day) => streamed([...late.values()].filter((batch) => batch.partition.day === day)),
    held: () => [...late.values()],
  }
}
