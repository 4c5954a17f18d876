import type { TimeInterval } from './time-interval.ts'
import { type Cells, cellsNamed, freedAt, lowestCounted } from './window-cells.ts'

/** What is stored of one limit: how many tokens are charged to which cell, and who wrote it. */
export interface LimitRecord {
  /** The name of the division that the cells are of. */
  readonly division: string
  readonly cells: ReadonlyMap<number, number>
  /** Every instance that wrote it lately, by a name that it has for its lifetime. */
  readonly writers: ReadonlyMap<string, LimitWriter>
}

export interface LimitWriter {
  /** The number of its last write: numbers of one instance only grow. */
  readonly write: number
  readonly atMs: number
}

/** What to add to the cells, by their index; negative takes away. */
export type Charges = ReadonlyMap<number, number>

const WRITER_KEPT_MS = 15 * 60_000
const WRITERS_MAX = 400
const KEPT_AFTER_MS = 24 * 60 * 60_000

export const emptyRecord = (cells: Cells): LimitRecord => ({
  division: cells.name,
  cells: new Map(),
  writers: new Map(),
})

/** The tokens that count now: those of cells yet to come as well. */
export function usedOf(record: LimitRecord, cells: Cells, interval: TimeInterval): number {
  const lowest = lowestCounted(cells, interval)
  let used = 0
  for (const [index, tokens] of record.cells) if (index >= lowest) used += tokens
  return used
}

/** The tokens charged to cells after this one. */
export function chargedAfter(record: LimitRecord, index: number): number {
  let charged = 0
  for (const [cell, tokens] of record.cells) if (cell > index) charged += tokens
  return charged
}

/** When fewer tokens will count than do now; undefined when none count. */
export function nextFreedAt(record: LimitRecord, cells: Cells, interval: TimeInterval): number | undefined {
  const lowest = lowestCounted(cells, interval)
  const counted = [...record.cells].filter(([index, tokens]) => index >= lowest && tokens > 0).map(([index]) => index)
  return counted.length === 0 ? undefined : freedAt(cells, Math.min(...counted))
}

/** When no more than `most` tokens will count, if nobody takes any. */
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
 * The record in the division that the limit has now. Where that is another one, every charge goes to the cell that holds
 * the end of its old one, and so counts for longer, never shorter.
 */
export function inDivision(record: LimitRecord, cells: Cells): LimitRecord {
  if (record.division === cells.name) return record
  const old = cellsNamed(record.division)
  const moved = new Map<number, number>()
  if (old !== undefined)
    for (const [index, tokens] of record.cells) add(moved, cells.indexAt(old.endMs(index) - 1), tokens)
  return { division: cells.name, cells: moved, writers: record.writers }
}

/** The record after a write: charged, and without what nobody needs any more. */
export function written(
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
  // One cell more than counts: the clock of another instance may be behind.
  const oldest = lowestCounted(cells, interval) - 1
  const charged = new Map([...record.cells].filter(([index]) => index >= oldest))
  for (const [index, tokens] of charges) if (index >= oldest) add(charged, index, tokens)
  const writers = new Map([...record.writers].filter(([, { atMs }]) => atMs > interval.earliestMs - WRITER_KEPT_MS))
  writers.delete(writer)
  writers.set(writer, { write, atMs: interval.earliestMs })
  return { division: cells.name, cells: charged, writers: new Map([...writers].slice(-WRITERS_MAX)) }
}

/** When nobody needs the record any more. */
export function expiryOf(record: LimitRecord, cells: Cells, nowMs: number): number {
  return Math.max(nowMs, ...[...record.cells.keys()].map((index) => freedAt(cells, index))) + KEPT_AFTER_MS
}

/** How many instances wrote the record in the last `spanMs`: one at least. */
export function activeWriters(record: LimitRecord | undefined, nowMs: number, spanMs: number): number {
  let fleet = 0
  for (const { atMs } of record?.writers.values() ?? []) if (atMs > nowMs - spanMs) fleet++
  return Math.max(1, fleet)
}

function add(cells: Map<number, number>, index: number, tokens: number): void {
  const sum = Math.max(0, (cells.get(index) ?? 0) + tokens)
  if (sum === 0) cells.delete(index)
  else cells.set(index, sum)
}
