import { keyName } from './counters.ts'
import { partitionName, partitionOf, splitByPartition } from './partition.ts'
import type { UsageDelta } from './usage.ts'

/** The largest message, in bytes of UTF-8: as base64 it fills the queue's 64 KiB. */
export const MESSAGE_BYTES_MAX = 48 * 1024

/** Reserved for the fields of a message beside its deltas. */
const ENVELOPE_BYTES = 1024

/** The most keys of one partition in a message, so one transaction holds any message: the fence, its row, 64 keys. */
export const KEYS_PER_PARTITION_MAX = 64

/** The most bytes that a delta adds to a message: `keyBytes` once for its key, `deltaBytes` for itself. */
export interface DeltaSize {
  readonly keyBytes: number
  readonly deltaBytes: number
}

/** What the size of a delta depends on. */
export type MeasuredDelta = Pick<UsageDelta, 'providerId' | 'keyId' | 'ownerId' | 'outcome' | 'endpoint'>

/** The free room of a message that is being filled. */
export interface MessageRoom {
  /** Reserves room for the delta. Returns false when the delta needs another message. */
  reserve(delta: Pick<UsageDelta, 'providerId' | 'keyId' | 'ownerId' | 'hour'>, size: DeltaSize): boolean
}

/** An empty message. */
export function messageRoom(): MessageRoom {
  let bytes = ENVELOPE_BYTES
  const headings = new Set<string>()
  const keysByPartition = new Map<string, Set<string>>()
  return {
    reserve: (delta, size) => {
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

/** Cuts the deltas, in their order, into messages that each keep both limits. */
export function packDeltas(
  deltas: readonly UsageDelta[],
  measure: (delta: UsageDelta) => DeltaSize,
): readonly (readonly UsageDelta[])[] {
  const messages: UsageDelta[][] = []
  let room = messageRoom()
  for (const delta of deltas) {
    const size = measure(delta)
    const message = messages.at(-1)
    if (message !== undefined && room.reserve(delta, size)) {
      message.push(delta)
      continue
    }
    room = messageRoom()
    room.reserve(delta, size)
    messages.push([delta])
  }
  return messages
}

/** Whether every partition of a batch fits into one transaction: at most 64 keys each. */
export function fitsTransactions(deltas: readonly UsageDelta[]): boolean {
  return splitByPartition(deltas).every((part) => new Set(part.deltas.map(keyName)).size <= KEYS_PER_PARTITION_MAX)
}
