import { type Limit, versionOf } from './limit.ts'
import type { TimeInterval } from './time-interval.ts'
import { type Cells, cellsNamed, freedAt, lowestCounted } from './window-cells.ts'

/** The stored state of one limit: the tokens charged to each cell, and the instances that wrote it. */
export interface LimitRecord {
  /** The name of the division that `cells` belongs to. */
  readonly division: string
  readonly policy: LimitPolicy
  readonly cells: ReadonlyMap<number, number>
  /** Every instance that wrote the record lately, by a name it has for its lifetime. */
  readonly writers: ReadonlyMap<string, LimitWriter>
}

/** The newest edit of the limit that a writer of its record knew. */
export interface LimitPolicy {
  readonly version: number
  readonly limit: number
}

export interface LimitWriter {
  /** The number of its last write. Numbers of one instance only grow. */
  readonly write: number
  readonly atMs: number
}

/** Tokens to add to cells, by their index; negative numbers remove tokens. */
export type Charges = ReadonlyMap<number, number>

const WRITER_TTL_MS = 15 * 60_000
const WRITERS_MAX = 400
const RECORD_TTL_MS = 24 * 60 * 60_000
/** Every instance learns of an edit within 10 s, which voids its leases; the rest is reserve. */
const EDIT_KNOWN_MS = 15_000

const policyOf = (limit: Limit): LimitPolicy => ({ version: versionOf(limit), limit: limit.limit })

export const emptyRecord = (limit: Limit, cells: Cells): LimitRecord => ({
  division: cells.name,
  policy: policyOf(limit),
  cells: new Map(),
  writers: new Map(),
})

/** The tokens that count now, those in future cells included. */
export function usedOf(record: LimitRecord, cells: Cells, interval: TimeInterval): number {
  const lowest = lowestCounted(cells, interval)
  let used = 0
  for (const [index, tokens] of record.cells) if (index >= lowest) used += tokens
  return used
}

/** The tokens charged to cells after `index`. */
export function chargedAfter(record: LimitRecord, index: number): number {
  let charged = 0
  for (const [cell, tokens] of record.cells) if (cell > index) charged += tokens
  return charged
}

/** When the first tokens leave the window; undefined when no token counts. */
export function nextFreedAt(record: LimitRecord, cells: Cells, interval: TimeInterval): number | undefined {
  const lowest = lowestCounted(cells, interval)
  const counted = [...record.cells].filter(([index, tokens]) => index >= lowest && tokens > 0).map(([index]) => index)
  return counted.length === 0 ? undefined : freedAt(cells, Math.min(...counted))
}

/** When at most `most` tokens will count, if no more are taken. */
export function freedTo(record: LimitRecord, cells: Cells, interval: TimeInterval, most: number): number {
  let used = usedOf(record, cells, interval)
  const lowest = lowestCounted(cells, interval)
  const counted = [...record.cells].filter(([index]) => index >= lowest).sort(([a], [b]) => a - b)
  let atMs = interval.earliestMs
  for (const [index, tokens] of counted) {
    if (used <= most) return atMs
    used -= tokens
    atMs = freedAt(cells, index)
  }
  return atMs
}

/**
 * Converts the record to the limit as edited last, in the limit's division. Every charge goes to the cell that contains
 * the end of its old cell, so it counts for longer, never shorter. After an edit no charge need reach further ahead than
 * the time in which every instance learns of the edit: leases of before are void from then on.
 */
export function underPolicy(record: LimitRecord, limit: Limit, cells: Cells, { latestMs }: TimeInterval): LimitRecord {
  const isEdit = versionOf(limit) > record.policy.version
  const policy = isEdit ? policyOf(limit) : record.policy
  if (record.division === cells.name) return isEdit ? { ...record, policy } : record
  const old = cellsNamed(record.division)
  const atMostMs = isEdit ? latestMs + EDIT_KNOWN_MS : Number.POSITIVE_INFINITY
  const moved = old === undefined ? new Map<number, number>() : moveCharges(record.cells, old, cells, atMostMs)
  return { ...record, division: cells.name, policy, cells: moved }
}

/** The charges in cells of another division: in those that contain the ends of the old ones, or `atMostMs`. */
export function moveCharges(
  charges: ReadonlyMap<number, number>,
  from: Cells,
  to: Cells,
  atMostMs = Number.POSITIVE_INFINITY,
): Map<number, number> {
  const moved = new Map<number, number>()
  for (const [index, tokens] of charges) add(moved, to.indexAt(Math.min(from.endMs(index) - 1, atMostMs)), tokens)
  return moved
}

/**
 * The limit as far as its record knows of a later edit: that window, and the smaller number. A record may also know the
 * edit of another key of the lineage, which must not raise this one's limit.
 */
export function newestOf(limit: Limit, record: LimitRecord | undefined): Limit {
  if (record === undefined || record.policy.version <= versionOf(limit)) return limit
  const window = cellsNamed(record.division)?.window ?? limit.window
  return { ...limit, limit: Math.min(limit.limit, record.policy.limit), window }
}

/** The record after a write: charges added, cells that left the window and inactive writers removed. */
export function afterWrite(
  record: LimitRecord,
  cells: Cells,
  change: {
    readonly charges: Charges
    readonly writer: string
    readonly write: number
    readonly interval: TimeInterval
  },
): LimitRecord {
  const { charges, writer, write, interval } = change
  // Keeps one cell more than counts: another instance's clock may be behind.
  const oldest = lowestCounted(cells, interval) - 1
  const charged = new Map([...record.cells].filter(([index]) => index >= oldest))
  for (const [index, tokens] of charges) if (index >= oldest) add(charged, index, tokens)
  const writers = new Map([...record.writers].filter(([, { atMs }]) => atMs > interval.earliestMs - WRITER_TTL_MS))
  writers.delete(writer)
  writers.set(writer, { write, atMs: interval.earliestMs })
  return {
    division: cells.name,
    policy: record.policy,
    cells: charged,
    writers: new Map([...writers].slice(-WRITERS_MAX)),
  }
}

/** When the record may be deleted: a day after its last charge leaves the window. */
export function expiryOf(record: LimitRecord, cells: Cells, nowMs: number): number {
  return Math.max(nowMs, ...[...record.cells.keys()].map((index) => freedAt(cells, index))) + RECORD_TTL_MS
}

/** How many instances wrote the record in the last `spanMs`; at least 1. */
export function activeWriters(record: LimitRecord | undefined, nowMs: number, spanMs: number): number {
  let active = 0
  for (const { atMs } of record?.writers.values() ?? []) if (atMs > nowMs - spanMs) active++
  return Math.max(1, active)
}

function add(cells: Map<number, number>, index: number, tokens: number): void {
  const sum = Math.max(0, (cells.get(index) ?? 0) + tokens)
  if (sum === 0) cells.delete(index)
  else cells.set(index, sum)
}
