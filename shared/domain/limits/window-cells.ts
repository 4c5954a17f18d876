import type { LimitWindow } from './limit.ts'
import type { TimeInterval } from './time-interval.ts'

/** Divides time into cells for a limit. A token is charged to the last cell in which it may be spent. */
export interface Cells {
  /** Identifies the division, in stored records as well. */
  readonly name: string
  /** The length of the window; approximate for a month. */
  readonly windowMs: number
  /** How many cells before the current one still count. */
  readonly lookback: number
  /** The window that is divided. */
  readonly window: LimitWindow
  indexAt(atMs: number): number
  /** The first instant after the cell. */
  endMs(index: number): number
}

const CELLS_PER_WINDOW = 60
/** Short windows lose a larger part of the limit to the length of a cell, so theirs are finer. */
const SHORT_WINDOW_MS = 60_000
const CELLS_PER_SHORT_WINDOW = 100
const SHORTEST_CELL_MS = 10
/** How far the clocks of the servers of one store may differ, and less for windows in which that would cost too much. */
const MARGIN_MS_MAX = 100
const MARGIN_PART = 100

export function cellsOf(window: LimitWindow): Cells {
  if (!('seconds' in window)) return window.kind === 'day' ? dayCells : monthCells
  const lengthMs = window.seconds * 1000
  if (window.kind === 'fixed') return fixedCells(lengthMs)
  const most = lengthMs < SHORT_WINDOW_MS ? CELLS_PER_SHORT_WINDOW : CELLS_PER_WINDOW
  return slidingCells(lengthMs, Math.min(most, Math.floor(lengthMs / SHORTEST_CELL_MS)))
}

/** The division with this name; undefined for an unknown name. */
export function cellsNamed(name: string): Cells | undefined {
  if (name === 'day') return dayCells
  if (name === 'month') return monthCells
  const [, kind, lengthMs, count] = /^([sf])(\d{1,11})(?:\/(\d{1,4}))?$/.exec(name) ?? []
  if (kind === 's' && count !== undefined) return slidingCells(Number(lengthMs), Number(count))
  return kind === 'f' && count === undefined ? fixedCells(Number(lengthMs)) : undefined
}

/** The first cell that counts. */
export function lowestCounted(cells: Cells, { earliestMs }: TimeInterval): number {
  return cells.indexAt(earliestMs) - cells.lookback
}

/** The first cell that a token spent now may be charged to. */
export function chargeable(cells: Cells, { latestMs }: TimeInterval): number {
  return cells.indexAt(latestMs)
}

/**
 * The bounds of the time for a limit, widened by what the servers of a store may differ. Fixed windows, days and months
 * use the likeliest time: a use at the border of two may count to either.
 */
export function intervalFor({ lookback, windowMs }: Cells, interval: TimeInterval): TimeInterval {
  if (lookback > 0) {
    const marginMs = Math.min(MARGIN_MS_MAX, Math.floor(windowMs / MARGIN_PART))
    return { earliestMs: interval.earliestMs - marginMs, latestMs: interval.latestMs + marginMs }
  }
  const likelyMs = Math.floor((interval.earliestMs + interval.latestMs) / 2)
  return { earliestMs: likelyMs, latestMs: likelyMs }
}

/** When charges to this cell leave the window. */
export function freedAt(cells: Cells, index: number): number {
  return cells.endMs(index + cells.lookback)
}

function slidingCells(windowMs: number, count: number): Cells {
  return {
    name: `s${windowMs}/${count}`,
    windowMs,
    lookback: count,
    window: { kind: 'sliding', seconds: windowMs / 1000 },
    indexAt: (atMs) => Math.floor((Math.floor(atMs) * count) / windowMs),
    endMs: (index) => Math.ceil(((index + 1) * windowMs) / count),
  }
}

function fixedCells(lengthMs: number): Cells {
  return {
    name: `f${lengthMs}`,
    windowMs: lengthMs,
    lookback: 0,
    window: { kind: 'fixed', seconds: lengthMs / 1000 },
    indexAt: (atMs) => Math.floor(atMs / lengthMs),
    endMs: (index) => (index + 1) * lengthMs,
  }
}

const dayCells: Cells = { ...fixedCells(86_400_000), name: 'day', window: { kind: 'day' } }

const monthCells: Cells = {
  name: 'month',
  windowMs: 30 * 86_400_000,
  lookback: 0,
  window: { kind: 'month' },
  indexAt: (atMs) => {
    const at = new Date(atMs)
    return at.getUTCFullYear() * 12 + at.getUTCMonth()
  },
  endMs: (index) => Date.UTC(Math.floor(index / 12), (index % 12) + 1),
}
