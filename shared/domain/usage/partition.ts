import { crc32 } from '../crc32.ts'
import { dayOfHour } from './calendar.ts'
import type { UsageDelta, UsagePartition } from './usage.ts'

/** `00` … `15`: a key's shard. All uses of a key on one day are in one partition. */
export function shardOf(keyId: string): string {
  return String(crc32(keyId) & 15).padStart(2, '0')
}

/** Every shard of a day. */
export function partitionsOfDay(day: string): readonly UsagePartition[] {
  return Array.from({ length: 16 }, (_, shard) => ({ day, shard: String(shard).padStart(2, '0') }))
}

/** `YYYYMMDD|NN`, unique to a partition. */
export function partitionName(partition: UsagePartition): string {
  return `${partition.day}|${partition.shard}`
}

/** The partition that counts a delta. */
export function partitionOf(delta: Pick<UsageDelta, 'keyId' | 'hour'>): UsagePartition {
  return { day: dayOfHour(delta.hour), shard: shardOf(delta.keyId) }
}

/** Splits deltas by partition. */
export function splitByPartition(
  deltas: readonly UsageDelta[],
): readonly { readonly partition: UsagePartition; readonly deltas: readonly UsageDelta[] }[] {
  const parts = new Map<string, { partition: UsagePartition; deltas: UsageDelta[] }>()
  for (const delta of deltas) {
    const partition = partitionOf(delta)
    const name = partitionName(partition)
    const part = parts.get(name)
    if (part === undefined) parts.set(name, { partition, deltas: [delta] })
    else part.deltas.push(delta)
  }
  return [...parts.values()]
}
