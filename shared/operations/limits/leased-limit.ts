import { ACTIVE_WRITER_MS_MOST } from '../../domain/limits/grant.ts'
import { heldAt, type Lease, spend } from '../../domain/limits/lease.ts'
import type { Limit, LimitState, LimitWindow } from '../../domain/limits/limit.ts'
import { activeWriters, inDivision, nextFreedAt, usedOf } from '../../domain/limits/limit-record.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import { type Cells, cellsOf, chargeable, lowestCounted } from '../../domain/limits/window-cells.ts'
import type { StoredLimit } from '../../ports/limits.ts'

/** What this instance knows of one limit, and holds of it. */
export interface LeasedLimit {
  limit: Limit
  cells: Cells
  leases: Lease[]
  /** What the next write should set right. */
  readonly pendingCharges: Map<number, number>
  /** What this instance let through by itself, by cell, while the store was away. */
  readonly allowance: Map<number, number>
  /** As it was last read or written here; undefined when there was none, or that is not known. */
  stored: StoredLimit | undefined
  /** Whether `stored` may be the store's state still. */
  isFresh: boolean
  /** Whether others write it between this instance's writes: then it is better read again first. */
  isShared: boolean
  readAtMs: number
  /** The number of this instance's last write that is known to have gone through; 0 for none. */
  lastWrite: number
  /** Until then the store has no more than `left`. */
  exhausted: { readonly untilMs: number; readonly left: number } | undefined
  /** The cost of every request that waits. */
  readonly waiting: number[]
  refilling: Promise<void> | undefined
  /** Uses since an instant: the newer ones weigh more. */
  readonly rate: { count: number; sinceMs: number; isKnown: boolean }
  lastUseMs: number
  /** How many tokens came with the last grant beyond those that were waited for, and how long they were to last. */
  lastGrant: { readonly tokens: number; readonly forMs: number }
  /** What `stored` says, worked out once per cell. */
  view: {
    readonly of: StoredLimit | undefined
    readonly lowest: number
    readonly left: number
    readonly resetAtMs: number
  }
}

/** The pace is that of so long at least, and weighs no more than so long. */
const RATE_MS_LEAST = 1000
const RATE_MS_MOST = 30_000

export function emptyLeasedLimit(limit: Limit, nowMs: number): LeasedLimit {
  return {
    ...{ limit, cells: cellsOf(limit.window), leases: [], pendingCharges: new Map(), allowance: new Map() },
    ...{ stored: undefined, isFresh: false, isShared: false, readAtMs: Number.NEGATIVE_INFINITY, lastWrite: 0 },
    ...{
      exhausted: undefined,
      waiting: [],
      refilling: undefined,
      rate: { count: 0, sinceMs: nowMs, isKnown: false },
      lastUseMs: nowMs,
    },
    lastGrant: { tokens: 0, forMs: 0 },
    view: { of: undefined, lowest: Number.NaN, left: 0, resetAtMs: 0 },
  }
}

/** Takes over an edited limit. What was leased in cells of another length is forgotten: it stays charged, so all is safe. */
export function adoptLimit(leased: LeasedLimit, limit: Limit): void {
  const { limit: known } = leased
  if (known === limit || (known.limit === limit.limit && isSameWindow(known.window, limit.window))) return
  const cells = cellsOf(limit.window)
  if (cells.name !== leased.cells.name) {
    leased.leases = []
    leased.pendingCharges.clear()
    leased.allowance.clear()
    leased.cells = cells
    leased.stored &&= { ...leased.stored, record: inDivision(leased.stored.record, cells) }
  }
  leased.limit = limit
  leased.exhausted = undefined
  leased.view = { ...leased.view, lowest: Number.NaN }
}

function isSameWindow(a: LimitWindow, b: LimitWindow): boolean {
  return a.kind === b.kind && ('seconds' in a ? a.seconds : 0) === ('seconds' in b ? b.seconds : 0)
}

/** What may be spent now beyond what was promised to those who wait. */
export function spareOf({ leases, waiting }: LeasedLimit, { latestMs }: TimeInterval): number {
  const held = leases.length === 0 ? 0 : heldAt(leases, latestMs)
  return waiting.length === 0 ? held : held - waiting.reduce((sum, cost) => sum + cost, 0)
}

export function spendLease(leased: LeasedLimit, interval: TimeInterval, cost: number): void {
  spend(leased.leases, leased.cells, interval, cost)
  use(leased, interval, cost)
}

/** How many requests this instance lets through per window by itself: rather too few than too many. */
function allowanceOf({ limit, stored }: LeasedLimit, { earliestMs }: TimeInterval): number {
  return Math.ceil(limit.limit / activeWriters(stored?.record, earliestMs, ACTIVE_WRITER_MS_MOST))
}

/** What is left of this instance's own share; forgets what counts no more. */
export function allowanceLeft(leased: LeasedLimit, interval: TimeInterval): number {
  const lowest = lowestCounted(leased.cells, interval)
  let used = 0
  for (const [cell, tokens] of leased.allowance) {
    if (cell < lowest) leased.allowance.delete(cell)
    else used += tokens
  }
  return Math.max(0, allowanceOf(leased, interval) - used)
}

/** Lets a request through without the store. The first write after charges it. */
export function spendAllowance(leased: LeasedLimit, interval: TimeInterval, cost: number): void {
  const cell = chargeable(leased.cells, interval)
  leased.allowance.set(cell, (leased.allowance.get(cell) ?? 0) + cost)
  leased.pendingCharges.set(cell, (leased.pendingCharges.get(cell) ?? 0) + cost)
  use(leased, interval, cost)
}

function use(leased: LeasedLimit, { earliestMs }: TimeInterval, cost: number): void {
  leased.rate.isKnown ||= leased.rate.count > 0
  leased.rate.count += cost
  leased.lastUseMs = earliestMs
}

/** Tokens per ms, by the last half minute; undefined after a single use. */
export function rateOf(
  { rate: { count, sinceMs, isKnown } }: LeasedLimit,
  { earliestMs }: TimeInterval,
): number | undefined {
  return !isKnown ? undefined : count / Math.max(RATE_MS_LEAST, earliestMs - sinceMs)
}

/** Lets old uses weigh less. */
export function ageRate(leased: LeasedLimit, { earliestMs }: TimeInterval): void {
  const spanMs = earliestMs - leased.rate.sinceMs
  if (spanMs <= RATE_MS_MOST) return
  const keptMs = RATE_MS_MOST / 2
  leased.rate.count *= keptMs / spanMs
  leased.rate.sinceMs = earliestMs - keptMs
}

/** Whether it will be asked for more than it holds, soon enough to get more before. */
export function runsLow(leased: LeasedLimit, interval: TimeInterval, aheadMs: number): boolean {
  const { leases, lastGrant } = leased
  if (heldAt(leases, interval.latestMs + aheadMs) > lastGrant.tokens * 0.3) return false
  const rate = rateOf(leased, interval)
  return rate !== undefined && rate * Math.max(aheadMs, lastGrant.forMs) >= 1
}

/** What is known of the limit, without asking anybody. */
export function stateOf(leased: LeasedLimit, interval: TimeInterval): LimitState {
  const { limit, cells, stored } = leased
  const lowest = lowestCounted(cells, interval)
  if (leased.view.of !== stored || leased.view.lowest !== lowest) {
    const left = Math.max(0, limit.limit - (stored === undefined ? 0 : usedOf(stored.record, cells, interval)))
    leased.view = { of: stored, lowest, left, resetAtMs: resetOf(leased, interval) }
  }
  const { left, resetAtMs } = leased.view
  const remaining = Math.min(limit.limit, heldAt(leased.leases, interval.latestMs) + left)
  return { limit, remaining, resetAtMs }
}

function resetOf({ cells, stored }: LeasedLimit, interval: TimeInterval): number {
  if (cells.behind === 0) return cells.endMs(cells.indexAt(interval.earliestMs))
  return (stored && nextFreedAt(stored.record, cells, interval)) ?? interval.earliestMs + cells.windowMs
}
