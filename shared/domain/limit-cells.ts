import type { LimitWindow } from './limit.ts'

/** How far apart the clocks of two instances may be: tokens of a sliding window die this long before their cell ends. */
export const GUARD_MS = 250

/** How time is divided for a limit. A token is charged to the last cell in which it may be spent. */
export interface Cells {
  /** Tells one division from another, in stored records as well. */
  readonly name: string
  /** The length of the window; of a month, about. */
  readonly windowMs: number
  /** How many cells before the current one still count. */
  readonly behind: number
  /** How long before the end of its cell a token dies. */
  readonly guardMs: number
  indexAt(atMs: number): number
  /** The first instant after the cell. */
  endMs(index: number): number
}

const CELLS_PER_WINDOW = 60
const SHORTEST_CELL_MS = 500

export function cellsOf(window: LimitWindow): Cells {
  if (!('seconds' in window)) return window.kind === 'day' ? dayCells : monthCells
  const lengthMs = window.seconds * 1000
  if (window.kind === 'fixed') return fixedCells(lengthMs)
  return slidingCells(lengthMs, Math.min(CELLS_PER_WINDOW, Math.max(1, Math.floor(lengthMs / SHORTEST_CELL_MS))))
}

/** The division with this name; undefined for a name that none has. */
export function cellsNamed(name: string): Cells | undefined {
  if (name === 'day') return dayCells
  if (name === 'month') return monthCells
  const [, kind, lengthMs, count] = /^([sf])(\d{1,11})(?:\/(\d{1,4}))?$/.exec(name) ?? []
  if (kind === 's' && count !== undefined) return slidingCells(Number(lengthMs), Number(count))
  return kind === 'f' && count === undefined ? fixedCells(Number(lengthMs)) : undefined
}

/** The first cell in which a token that is spent now may be charged. */
export function chargeable(cells: Cells, nowMs: number): number {
  return cells.indexAt(nowMs + cells.guardMs)
}

/** Until when a token charged to this cell may be spent. */
export function spendableUntil(cells: Cells, index: number): number {
  return cells.endMs(index) - cells.guardMs
}

/** The first cell that counts now. */
export function lowestCounted(cells: Cells, nowMs: number): number {
  return cells.indexAt(nowMs) - cells.behind
}

/** When what is charged to this cell counts no more. */
export function freedAt(cells: Cells, index: number): number {
  return cells.endMs(index + cells.behind)
}

function slidingCells(windowMs: number, count: number): Cells {
  return {
    name: `s${windowMs}/${count}`,
    windowMs,
    behind: count,
    guardMs: GUARD_MS,
    indexAt: (atMs) => Math.floor((Math.floor(atMs) * count) / windowMs),
    endMs: (index) => Math.ceil(((index + 1) * windowMs) / count),
  }
}

function fixedCells(lengthMs: number): Cells {
  return {
    name: `f${lengthMs}`,
    windowMs: lengthMs,
    behind: 0,
    guardMs: 0,
    indexAt: (atMs) => Math.floor(atMs / lengthMs),
    endMs: (index) => (index + 1) * lengthMs,
  }
}

const dayCells: Cells = { ...fixedCells(86_400_000), name: 'day' }

const monthCells: Cells = {
  name: 'month',
  windowMs: 30 * 86_400_000,
  behind: 0,
  guardMs: 0,
  indexAt: (atMs) => {
    const at = new Date(atMs)
    return at.getUTCFullYear() * 12 + at.getUTCMonth()
  },
  endMs: (index) => Date.UTC(Math.floor(index / 12), (index % 12) + 1),
}
