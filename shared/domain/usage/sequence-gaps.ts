import { decodeTime } from 'ulid'
import { splitProducer } from './boots.ts'
import { type NumberSet, numberSet } from './number-set.ts'

/** A batch that was counted, or stored as late: the queue delivered it. */
export interface SeenBatch {
  /** `<instance>.<boot>.<seq>` */
  readonly batchId: string
  readonly ackedBelow: number
  /** ISO 8601 UTC, when its message was made. */
  readonly at: string
}

/** An inclusive range of sequence numbers that the queue acknowledged and no consumer has counted. */
export interface Gap {
  readonly instance: string
  readonly boot: string
  readonly first: number
  readonly last: number
  /** When all of them were acknowledged, to a minute, at the latest. */
  readonly ackedAt: Date
}

/** The instance name of pushed parts. Their numbers are stored with the push, so they need no search for gaps. */
export const pushInstance = 'push'

/** The batches that were seen, in memory that hardly grows with their number: a bit each, and a watermark a minute. */
export interface SequenceLog {
  /** Takes batches in any order, again and again. Returns whether the batch is new; the halves of a batch are one. */
  add(batch: SeenBatch): boolean
  /** Notes that the queue had acknowledged all numbers of the producer up to `last`. */
  close(producer: string, last: number, at: Date): void
  /**
   * The batches that the queue acknowledged and no consumer has counted. A number at or above the boot's watermark (the
   * highest `ackedBelow`) is no gap: its message was perhaps never acknowledged, so its uses were never promised.
   * `readFrom` is where the reading of batches began: for an older boot, numbers below the lowest seen are not judged.
   */
  gaps(readFrom: Date): readonly Gap[]
}

interface Boot {
  readonly instance: string
  readonly boot: string
  readonly seen: NumberSet
  /** By minute: the highest watermark that its batches reported, and when. */
  readonly watermarks: Map<number, { at: string; ackedBelow: number }>
}

const MINUTE_MS = 60_000

/** Has seen nothing. Ignores parts of pushes. */
export function sequenceLog(): SequenceLog {
  const boots = new Map<string, Boot>()
  /** Ids of another form. */
  const others = new Set<string>()
  const bootOf = ({ instance, boot }: Pick<Boot, 'instance' | 'boot'>): Boot => {
    const name = `${instance}.${boot}`
    const known = boots.get(name) ?? { instance, boot, seen: numberSet(), watermarks: new Map() }
    boots.set(name, known)
    return known
  }

  return {
    add: (batch) => {
      const { instance, boot, seq } = parseBatchId(batch.batchId)
      if (instance === pushInstance) return false
      if (!Number.isSafeInteger(seq) || seq < 1) return isNew(others, wholeBatchId(batch.batchId))
      const known = bootOf({ instance, boot })
      raiseWatermark(known.watermarks, batch)
      return known.seen.add(seq)
    },
    close: (producer, last, at) => {
      raiseWatermark(bootOf(splitProducer(producer)).watermarks, { at: at.toISOString(), ackedBelow: last + 1 })
    },
    gaps: (readFrom) => [...boots.values()].flatMap((boot) => gapsOf(boot, readFrom)),
  }
}

function isNew(set: Set<string>, name: string): boolean {
  const before = set.size
  return set.add(name).size > before
}

function raiseWatermark(watermarks: Boot['watermarks'], { at, ackedBelow }: Watermark): void {
  const minute = Math.floor(Date.parse(at) / MINUTE_MS)
  const known = watermarks.get(minute)
  const isHigher = known === undefined || ackedBelow > known.ackedBelow
  if (isHigher || (ackedBelow === known.ackedBelow && at < known.at)) watermarks.set(minute, { at, ackedBelow })
}

/** The id of the whole batch that a half `<batch id>~…` is of. */
function wholeBatchId(batchId: string): string {
  return batchId.split('~', 1)[0] ?? batchId
}

function parseBatchId(batchId: string): { readonly instance: string; readonly boot: string; readonly seq: number } {
  const [instance = '', ...rest] = wholeBatchId(batchId).split('.')
  return { instance, boot: rest.slice(0, -1).join('.'), seq: Number(rest.at(-1)) }
}

function gapsOf({ instance, boot, seen, watermarks }: Boot, readFrom: Date): readonly Gap[] {
  const first = startedSince(boot, readFrom) ? 1 : (seen.lowest() ?? Infinity)
  const acknowledged = acknowledgements([...watermarks.values()])
  const acknowledgedUpTo = (acknowledged.at(-1)?.ackedBelow ?? 1) - 1
  const gaps: Gap[] = []
  for (const missing of seen.missingFrom(first, acknowledgedUpTo)) {
    const runs = acknowledgedRuns(missing.first, missing.last, acknowledged)
    gaps.push(...runs.map((run) => ({ instance, boot, ...run })))
  }
  return gaps
}

type Watermark = Pick<SeenBatch, 'at' | 'ackedBelow'>

/** The rising watermarks, each with the time when it was reported, in order of time. */
function acknowledgements(watermarks: readonly Watermark[]): readonly Watermark[] {
  let highest = 0
  return watermarks
    .toSorted((a, b) => (a.at < b.at ? -1 : 1))
    .filter(({ ackedBelow }) => {
      if (ackedBelow <= highest) return false
      highest = ackedBelow
      return true
    })
}

/** The acknowledged numbers from `first` to `last`, as runs that were acknowledged by the same time. */
function acknowledgedRuns(first: number, last: number, acknowledged: readonly Watermark[]) {
  const runs: { first: number; last: number; ackedAt: Date }[] = []
  let next = first
  for (const { ackedBelow, at } of acknowledged) {
    const end = Math.min(last, ackedBelow - 1)
    if (end < next) continue
    runs.push({ first: next, last: end, ackedAt: new Date(at) })
    next = end + 1
  }
  return runs
}

/** The name of a boot is a ULID made at its start. */
function startedSince(boot: string, readFrom: Date): boolean {
  try {
    return decodeTime(boot) >= readFrom.getTime()
  } catch {
    return false
  }
}
