import { decodeTime } from 'ulid'

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
  /** When all of them were acknowledged, at the latest. */
  readonly ackedAt: Date
}

/** The instance name of pushed parts. Their numbers are stored with the push, so they need no search for gaps. */
export const pushInstance = 'push'

interface Boot {
  readonly instance: string
  readonly boot: string
  readonly seen: Map<number, SeenBatch>
}

/**
 * Finds the batches that the queue acknowledged and no consumer has counted. A number at or above the boot's watermark
 * (the highest `ackedBelow`) is no gap: its message was perhaps never acknowledged, so its uses were never promised.
 * `readFrom` is where the reading of batches began: for an older boot, numbers below the lowest seen are not judged.
 */
export function findGaps(batches: Iterable<SeenBatch>, readFrom: Date): readonly Gap[] {
  return [...groupByBoot(batches).values()].flatMap((boot) => gapsOf(boot, readFrom))
}

function groupByBoot(batches: Iterable<SeenBatch>): ReadonlyMap<string, Boot> {
  const boots = new Map<string, Boot>()
  for (const batch of batches) {
    const { instance, boot, seq } = parseBatchId(batch.batchId)
    if (instance === pushInstance) continue
    const name = `${instance}.${boot}`
    const known = boots.get(name) ?? { instance, boot, seen: new Map<number, SeenBatch>() }
    known.seen.set(seq, batch)
    boots.set(name, known)
  }
  return boots
}

/** The id of the whole batch that a half `<batch id>~…` is of. */
export function wholeBatchId(batchId: string): string {
  return batchId.split('~', 1)[0] ?? batchId
}

function parseBatchId(batchId: string): { readonly instance: string; readonly boot: string; readonly seq: number } {
  const [instance = '', ...rest] = wholeBatchId(batchId).split('.')
  return { instance, boot: rest.slice(0, -1).join('.'), seq: Number(rest.at(-1)) }
}

function gapsOf({ instance, boot, seen }: Boot, readFrom: Date): readonly Gap[] {
  const numbers = [...seen.keys()].sort((a, b) => a - b)
  const acknowledged = acknowledgements([...seen.values()])
  const gaps: Gap[] = []
  let expected = startedSince(boot, readFrom) ? 1 : (numbers[0] ?? 1)
  for (const number of numbers) {
    gaps.push(...acknowledgedRuns(expected, number - 1, acknowledged).map((run) => ({ instance, boot, ...run })))
    expected = number + 1
  }
  return gaps
}

/** The rising watermarks, each with the time when a batch first reported it, in order of time. */
function acknowledgements(batches: readonly SeenBatch[]): readonly SeenBatch[] {
  let watermark = 0
  return batches
    .toSorted((a, b) => (a.at < b.at ? -1 : 1))
    .filter(({ ackedBelow }) => {
      if (ackedBelow <= watermark) return false
      watermark = ackedBelow
      return true
    })
}

/** The acknowledged numbers from `first` to `last`, as runs that were acknowledged by the same time. */
function acknowledgedRuns(first: number, last: number, acknowledged: readonly SeenBatch[]) {
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
