import { heldAt, type Lease, spend } from '../../domain/limits/lease.ts'
import { type Limit, type LimitState, type LimitWindow, versionOf } from '../../domain/limits/limit.ts'
import { type LimitRecord, newestOf, nextFreedAt, underPolicy, usedOf } from '../../domain/limits/limit-record.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import { type Cells, cellsOf, lowestCounted } from '../../domain/limits/window-cells.ts'
import type { StoredLimit } from '../../ports/limits.ts'
import { type Allowance, moveOwed, newAllowance } from './allowance.ts'

/** What this instance knows of one limit, and its leases on it. */
export interface LeasedLimit {
  /** The limit as the newest request has it. */
  own: Limit
  /** The limit that applies: `own`, or what the record knows of a later edit. */
  limit: Limit
  /** Counts the edits: a grant decided before one is void. */
  edition: number
  cells: Cells
  leases: Lease[]
  /** Corrections for the next write, by cell. Without them the record counts too much. */
  readonly pendingCharges: Map<number, number>
  readonly allowance: Allowance
  /** Whether an edit voided leases, whose tokens the next refill returns. */
  isVoided: boolean
  /** The record as last read or written here; undefined when there was none, or before the first read. */
  stored: StoredLimit | undefined
  /** Whether `stored` may still be the state in the store. */
  isFresh: boolean
  /** Whether other instances write between this instance's writes: then a refill reads first. */
  isShared: boolean
  readAtMs: number
  /** The number of this instance's last confirmed write; 0 for none. */
  lastWrite: number
  /** Until `untilMs` the store has at most `left` tokens. */
  exhausted: { readonly untilMs: number; readonly left: number } | undefined
  /** The costs of the waiting requests. */
  readonly waiting: number[]
  refilling: Promise<void> | undefined
  /** Tokens used since `sinceMs`; recent uses weigh more. */
  readonly rate: { count: number; sinceMs: number; isKnown: boolean }
  lastUseMs: number
  /** The tokens of the last grant beyond the waiting requests, and how long they should last. */
  lastGrant: { readonly tokens: number; readonly durationMs: number }
  /** Derived from `stored`, once per cell. */
  view: {
    readonly of: StoredLimit | undefined
    readonly lowest: number
    readonly left: number
    readonly resetAtMs: number
  }
}

/** The rate is averaged over at least 1 s and at most 30 s. */
const RATE_MS_MIN = 1000
const RATE_MS_MAX = 30_000
/** What was read before an edit is too old for a look. */
const EDITED_AGE_MS = 10_000

export function emptyLeasedLimit(limit: Limit, nowMs: number): LeasedLimit {
  return {
    ...{ own: limit, limit, edition: 0, cells: cellsOf(limit.window), leases: [], pendingCharges: new Map() },
    ...{ allowance: newAllowance(), isVoided: false },
    ...{ stored: undefined, isFresh: false, isShared: false, readAtMs: Number.NEGATIVE_INFINITY, lastWrite: 0 },
    ...{
      exhausted: undefined,
      waiting: [],
      refilling: undefined,
      rate: { count: 0, sinceMs: nowMs, isKnown: false },
      lastUseMs: nowMs,
    },
    lastGrant: { tokens: 0, durationMs: 0 },
    view: { of: undefined, lowest: Number.NaN, left: 0, resetAtMs: 0 },
  }
}

/** Takes over an edited limit. Ignores an older edit than the one known. */
export function adoptLimit(leased: LeasedLimit, limit: Limit, interval: TimeInterval): void {
  if (leased.own === limit || versionOf(limit) < versionOf(leased.own)) return
  leased.own = limit
  applyNewest(leased, leased.stored?.record, interval)
}

/**
 * Applies the newest edit that the request or the record knows. Leases granted under another are void. Their tokens
 * return with the next write, or stay charged where the edit changed the window.
 */
export function applyNewest(leased: LeasedLimit, record: LimitRecord | undefined, interval: TimeInterval): void {
  const previous = leased.limit
  const limit = newestOf(leased.own, record)
  leased.limit = limit
  if (previous.limit === limit.limit && isSameWindow(previous.window, limit.window)) return
  const cells = cellsOf(limit.window)
  if (cells.name === leased.cells.name) {
    for (const lease of leased.leases) lease.untilMs = Number.NEGATIVE_INFINITY
    leased.isVoided ||= leased.leases.length > 0
  } else {
    leased.leases = []
    leased.pendingCharges.clear()
    moveOwed(leased, leased.cells, cells)
    leased.cells = cells
    leased.stored &&= { ...leased.stored, record: underPolicy(leased.stored.record, leased.own, cells, interval) }
  }
  leased.edition++
  leased.isFresh = false
  leased.readAtMs = Math.min(leased.readAtMs, interval.earliestMs - EDITED_AGE_MS)
  leased.exhausted = undefined
  leased.view = { ...leased.view, lowest: Number.NaN }
}

function isSameWindow(a: LimitWindow, b: LimitWindow): boolean {
  return a.kind === b.kind && ('seconds' in a ? a.seconds : 0) === ('seconds' in b ? b.seconds : 0)
}

/** Held tokens beyond those reserved for waiting requests. */
export function spareOf({ leases, waiting }: LeasedLimit, { latestMs }: TimeInterval): number {
  const held = leases.length === 0 ? 0 : heldAt(leases, latestMs)
  return waiting.length === 0 ? held : held - waiting.reduce((sum, cost) => sum + cost, 0)
}

export function spendLease(leased: LeasedLimit, interval: TimeInterval, cost: number): void {
  spend(leased.leases, leased.cells, interval, cost)
  recordUse(leased, interval, cost)
}

export function recordUse(leased: LeasedLimit, { earliestMs }: TimeInterval, cost: number): void {
  leased.rate.isKnown ||= leased.rate.count > 0
  leased.rate.count += cost
  leased.lastUseMs = earliestMs
}

/** Tokens per ms over the last 30 s; undefined before the second use. */
export function rateOf(
  { rate: { count, sinceMs, isKnown } }: LeasedLimit,
  { earliestMs }: TimeInterval,
): number | undefined {
  return !isKnown ? undefined : count / Math.max(RATE_MS_MIN, earliestMs - sinceMs)
}

/** Decays old uses. */
export function ageRate(leased: LeasedLimit, { earliestMs }: TimeInterval): void {
  const spanMs = earliestMs - leased.rate.sinceMs
  if (spanMs <= RATE_MS_MAX) return
  const halfMs = RATE_MS_MAX / 2
  leased.rate.count *= halfMs / spanMs
  leased.rate.sinceMs = earliestMs - halfMs
}

/** Whether the leases are expected to run out, in time to refill them ahead of demand. */
export function runsLow(leased: LeasedLimit, interval: TimeInterval, aheadMs: number): boolean {
  const { leases, lastGrant } = leased
  if (heldAt(leases, interval.latestMs + aheadMs) > lastGrant.tokens * 0.3) return false
  const rate = rateOf(leased, interval)
  return rate !== undefined && rate * Math.max(aheadMs, lastGrant.durationMs) >= 1
}

/** The limit's state as far as this instance knows. Makes no request. */
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
  if (cells.lookback === 0) return cells.endMs(cells.indexAt(interval.earliestMs))
  return (stored && nextFreedAt(stored.record, cells, interval)) ?? interval.earliestMs + cells.windowMs
}
