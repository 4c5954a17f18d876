import { FLEET_MS_MOST } from '../../domain/limits/grant.ts'
import { heldAt, type Lease, spend } from '../../domain/limits/lease.ts'
import type { Limit, LimitState, LimitWindow } from '../../domain/limits/limit.ts'
import { fleetOf, inDivision, nextFreedAt, usedOf } from '../../domain/limits/limit-record.ts'
import type { Moment } from '../../domain/limits/time-interval.ts'
import { type Cells, cellsOf, chargeable, lowestCounted } from '../../domain/limits/window-cells.ts'
import type { StoredLimit } from '../../ports/limits.ts'

/** What this instance knows of one limit, and holds of it. */
export interface Holding {
  limit: Limit
  cells: Cells
  leases: Lease[]
  /** What the next write should set right. */
  readonly owed: Map<number, number>
  /** What this instance let through by itself, by cell, while the store was away. */
  readonly share: Map<number, number>
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
  short: { readonly untilMs: number; readonly left: number } | undefined
  /** The cost of every request that waits. */
  readonly waiting: number[]
  refilling: Promise<void> | undefined
  /** Uses since an instant: the newer ones weigh more. */
  readonly pace: { count: number; sinceMs: number; isKnown: boolean }
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
const PACE_MS_LEAST = 1000
const PACE_MS_MOST = 30_000

export function emptyHolding(limit: Limit, nowMs: number): Holding {
  return {
    ...{ limit, cells: cellsOf(limit.window), leases: [], owed: new Map(), share: new Map() },
    ...{ stored: undefined, isFresh: false, isShared: false, readAtMs: Number.NEGATIVE_INFINITY, lastWrite: 0 },
    ...{
      short: undefined,
      waiting: [],
      refilling: undefined,
      pace: { count: 0, sinceMs: nowMs, isKnown: false },
      lastUseMs: nowMs,
    },
    lastGrant: { tokens: 0, forMs: 0 },
    view: { of: undefined, lowest: Number.NaN, left: 0, resetAtMs: 0 },
  }
}

/** Takes over an edited limit. What was leased in cells of another length is forgotten: it stays charged, so all is safe. */
export function adoptLimit(holding: Holding, limit: Limit): void {
  const { limit: known } = holding
  if (known === limit || (known.limit === limit.limit && isSameWindow(known.window, limit.window))) return
  const cells = cellsOf(limit.window)
  if (cells.name !== holding.cells.name) {
    holding.leases = []
    holding.owed.clear()
    holding.share.clear()
    holding.cells = cells
    holding.stored &&= { ...holding.stored, record: inDivision(holding.stored.record, cells) }
  }
  holding.limit = limit
  holding.short = undefined
  holding.view = { ...holding.view, lowest: Number.NaN }
}

function isSameWindow(a: LimitWindow, b: LimitWindow): boolean {
  return a.kind === b.kind && ('seconds' in a ? a.seconds : 0) === ('seconds' in b ? b.seconds : 0)
}

/** What may be spent now beyond what was promised to those who wait. */
export function spareOf({ leases, waiting }: Holding, { lateMs }: Moment): number {
  const held = leases.length === 0 ? 0 : heldAt(leases, lateMs)
  return waiting.length === 0 ? held : held - waiting.reduce((sum, cost) => sum + cost, 0)
}

export function spendLease(holding: Holding, moment: Moment, cost: number): void {
  spend(holding.leases, holding.cells, moment, cost)
  use(holding, moment, cost)
}

/** How many requests this instance lets through per window by itself: rather too few than too many. */
function shareOf({ limit, stored }: Holding, { earlyMs }: Moment): number {
  return Math.ceil(limit.limit / fleetOf(stored?.record, earlyMs, FLEET_MS_MOST))
}

/** What is left of this instance's own share; forgets what counts no more. */
export function shareLeft(holding: Holding, moment: Moment): number {
  const lowest = lowestCounted(holding.cells, moment)
  let used = 0
  for (const [cell, tokens] of holding.share) {
    if (cell < lowest) holding.share.delete(cell)
    else used += tokens
  }
  return Math.max(0, shareOf(holding, moment) - used)
}

/** Lets a request through without the store. The first write after charges it. */
export function spendShare(holding: Holding, moment: Moment, cost: number): void {
  const cell = chargeable(holding.cells, moment)
  holding.share.set(cell, (holding.share.get(cell) ?? 0) + cost)
  holding.owed.set(cell, (holding.owed.get(cell) ?? 0) + cost)
  use(holding, moment, cost)
}

function use(holding: Holding, { earlyMs }: Moment, cost: number): void {
  holding.pace.isKnown ||= holding.pace.count > 0
  holding.pace.count += cost
  holding.lastUseMs = earlyMs
}

/** Tokens per ms, by the last half minute; undefined after a single use. */
export function paceOf({ pace: { count, sinceMs, isKnown } }: Holding, { earlyMs }: Moment): number | undefined {
  return !isKnown ? undefined : count / Math.max(PACE_MS_LEAST, earlyMs - sinceMs)
}

/** Lets old uses weigh less. */
export function agePace(holding: Holding, { earlyMs }: Moment): void {
  const spanMs = earlyMs - holding.pace.sinceMs
  if (spanMs <= PACE_MS_MOST) return
  const keptMs = PACE_MS_MOST / 2
  holding.pace.count *= keptMs / spanMs
  holding.pace.sinceMs = earlyMs - keptMs
}

/** Whether it will be asked for more than it holds, soon enough to get more before. */
export function runsLow(holding: Holding, moment: Moment, aheadMs: number): boolean {
  const { leases, lastGrant } = holding
  if (heldAt(leases, moment.lateMs + aheadMs) > lastGrant.tokens * 0.3) return false
  const pace = paceOf(holding, moment)
  return pace !== undefined && pace * Math.max(aheadMs, lastGrant.forMs) >= 1
}

/** What is known of the limit, without asking anybody. */
export function stateOf(holding: Holding, moment: Moment): LimitState {
  const { limit, cells, stored } = holding
  const lowest = lowestCounted(cells, moment)
  if (holding.view.of !== stored || holding.view.lowest !== lowest) {
    const left = Math.max(0, limit.limit - (stored === undefined ? 0 : usedOf(stored.record, cells, moment)))
    holding.view = { of: stored, lowest, left, resetAtMs: resetOf(holding, moment) }
  }
  const { left, resetAtMs } = holding.view
  const remaining = Math.min(limit.limit, heldAt(holding.leases, moment.lateMs) + left)
  return { limit, remaining, resetAtMs }
}

function resetOf({ cells, stored }: Holding, moment: Moment): number {
  if (cells.behind === 0) return cells.endMs(cells.indexAt(moment.earlyMs))
  return (stored && nextFreedAt(stored.record, cells, moment)) ?? moment.earlyMs + cells.windowMs
}
