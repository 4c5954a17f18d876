import type { TimeInterval } from './time-interval.ts'
import { type Cells, cellsNamed, freedAt, lowestCounted } from './window-cells.ts'

/** The stored state of one limit: the tokens charged to each cell, and the instances that wrote it. */
export interface LimitRecord {
  /** The name of the division that `cells` belongs to. */
  readonly division: string
  readonly cells: ReadonlyMap<number, number>
  /** Every instance that wrote the record lately, by a name it has for its lifetime. */
  readonly writers: ReadonlyMap<string, LimitWriter>
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

export const emptyRecord = (cells: Cells): LimitRecord => ({
  division: cells.name,
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
 * Converts the record to the limit's current division. Every charge goes to the cell that contains the end of its old
 * cell, so it counts for longer, never shorter.
 */
export function inDivision(record: LimitRecord, cells: Cells): LimitRecord {
  if (record.division === cells.name) return record
  const old = cellsNamed(record.division)
  const moved = new Map<number, number>()
  if (old !== undefined)
    for (const [index, tokens] of record.cells) add(moved, cells.indexAt(old.endMs(index) - 1), tokens)
  return { division: cells.name, cells: moved, writers: record.writers }
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
  return { division: cells.name, cells: charged, writers: new Map([...writers].slice(-WRITERS_MAX)) }
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
