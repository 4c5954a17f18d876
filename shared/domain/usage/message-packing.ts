import { keyName } from './counters.ts'
import { partitionName, partitionOf, splitByPartition } from './partition.ts'
import type { UsageDelta } from './usage.ts'

/** The largest message, in bytes of UTF-8: base64 makes the queue's 64 KiB of it. */
export const MESSAGE_BYTES_MAX = 48 * 1024

/** Kept free for what a message says beside its deltas. */
const ENVELOPE_BYTES = 1024

/** The most keys of one partition in a message, so that one transaction holds any message: the fence, its row, 64 keys. */
export const KEYS_PER_PARTITION_MAX = 64

/** Bytes that a delta adds to a message at most: once for its key, and for itself. */
export interface DeltaSize {
  readonly keyBytes: number
  readonly deltaBytes: number
}

/** What is left of one message while it is filled. */
export interface MessageRoom {
  /** Takes the delta's place, or says that it needs another message. */
  take(delta: Pick<UsageDelta, 'providerId' | 'keyId' | 'ownerId' | 'hour'>, size: DeltaSize): boolean
}

/** An empty message. */
export function messageRoom(): MessageRoom {
  let bytes = ENVELOPE_BYTES
  const headings = new Set<string>()
  const keysByPartition = new Map<string, Set<string>>()
  return {
    take: (delta, size) => {
      const key = keyName(delta)
      const heading = `${key}|${delta.ownerId}`
      const added = size.deltaBytes + (headings.has(heading) ? 0 : size.keyBytes)
      if (bytes + added > MESSAGE_BYTES_MAX) return false
      const partition = partitionName(partitionOf(delta))
      const neighbours = keysByPartition.get(partition) ?? new Set<string>()
      if (neighbours.size >= KEYS_PER_PARTITION_MAX && !neighbours.has(key)) return false
      bytes += added
      headings.add(heading)
      keysByPartition.set(partition, neighbours.add(key))
      return true
    },
  }
}

/** The deltas in their order, cut into messages that each keep both limits. */
export function packDeltas(
  deltas: readonly UsageDelta[],
  measure: (delta: UsageDelta) => DeltaSize,
): readonly (readonly UsageDelta[])[] {
  const messages: UsageDelta[][] = []
  let room = messageRoom()
  for (const delta of deltas) {
    const size = measure(delta)
    const message = messages.at(-1)
    if (message !== undefined && room.take(delta, size)) {
      message.push(delta)
      continue
    }
    room = messageRoom()
    room.take(delta, size)
    messages.push([delta])
  }
  return messages
}

/** Whether the packing rule was kept, without which a batch might never fit into a transaction. */
export function fitsTransactions(deltas: readonly UsageDelta[]): boolean {
  return splitByPartition(deltas).every((part) => new Set(part.deltas.map(keyName)).size <= KEYS_PER_PARTITION_MAX)
}
