import { ACTIVE_WRITER_MS_MAX } from '../../domain/limits/grant.ts'
import { outageModeOf } from '../../domain/limits/limit.ts'
import { activeWriters, type Charges, moveCharges, underPolicy, usedOf } from '../../domain/limits/limit-record.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import { type Cells, cellsNamed, chargeable, lowestCounted } from '../../domain/limits/window-cells.ts'
import type { JournaledLimit, LimitJournal } from '../../ports/limits.ts'
import type { LeasedLimit } from './leased-limit.ts'

/**
 * What an instance lets through without the store. Every spent token is owed to the record until a write that charges it
 * is known to have happened.
 */
export interface Allowance {
  /** Tokens spent and not yet in the record, by cell. */
  owed: Map<number, number>
  /** What each unconfirmed write would have charged, by its number. */
  readonly attempts: Map<number, Charges>
  /** Tokens that the journal already counts as spent in `cell`. */
  prepaid: { readonly cell: number; tokens: number }
  /** The number of instances that wrote the record, as last read, and the largest number so far. */
  writers: number
  peakWriters: number
}

export function newAllowance(): Allowance {
  return { owed: new Map(), attempts: new Map(), prepaid: { cell: Number.NaN, tokens: 0 }, writers: 0, peakWriters: 0 }
}

/** An instance that read the record no longer ago than this when the store went away knows who shares the limit. */
const KNOWN_MS = 60_000
/** Instances that know nothing assume at least so many. */
const UNKNOWN_WRITERS = 10
/** Prepaid per journal write, as a part of the allowance, and of the window's cells. A shorter window is not journaled. */
const PREPAID_PART = 10
const PREPAID_CELLS_PART = 4
const JOURNALED_WINDOW_MS = 10_000
const ATTEMPTS_MAX = 16

/**
 * The tokens that this instance may still let through: its share of what the record, as last read, and its own spending
 * leave. `failingSinceMs` is when the store stopped answering.
 */
export function allowanceLeft(leased: LeasedLimit, interval: TimeInterval, failingSinceMs: number): number {
  const { limit, stored, cells, allowance } = leased
  const used = stored === undefined ? 0 : usedOf(stored.record, cells, interval)
  const isKnown = leased.readAtMs >= failingSinceMs - KNOWN_MS
  const share = isKnown
    ? Math.max(0, limit.limit - used) / Math.max(1, allowance.writers)
    : Math.min(limit.limit - used, limit.limit / Math.max(UNKNOWN_WRITERS, allowance.peakWriters))
  // What protects this service only may be exceeded by the rounding: one call passes.
  const whole = outageModeOf(limit) === 'allowance' ? Math.ceil(share) : Math.floor(share)
  return Math.max(0, whole - owedSince(allowance, lowestCounted(cells, interval)))
}

/** Lets a request through without the store. The next write charges it; a restart on the same disk knows of it. */
export function spendAllowance(
  leased: LeasedLimit,
  interval: TimeInterval,
  cost: number,
  journal: LimitJournal | undefined,
): void {
  const { allowance, cells, limit } = leased
  const cell = chargeable(cells, interval)
  const lowest = lowestCounted(cells, interval)
  for (const old of allowance.owed.keys()) if (old < lowest - 1) allowance.owed.delete(old)
  add(allowance.owed, cell, cost)
  if (journal === undefined || cells.windowMs < JOURNALED_WINDOW_MS) return
  const { prepaid } = allowance
  if (cell <= prepaid.cell && cost <= prepaid.tokens) {
    prepaid.tokens -= cost
    return
  }
  const ahead = Math.ceil(limit.limit / Math.max(1, allowance.writers) / PREPAID_PART)
  allowance.prepaid = { cell: cell + Math.floor(cells.lookback / PREPAID_CELLS_PART), tokens: ahead }
  journal.save([toJournal(leased)])
}

/** Notes which charges a write carries. Returns them. */
export function attemptOwed({ allowance: { owed, attempts } }: LeasedLimit, write: number): Charges {
  if (owed.size === 0) return owed
  if (attempts.size >= ATTEMPTS_MAX) attempts.delete(Math.min(...attempts.keys()))
  const charges = new Map(owed)
  attempts.set(write, charges)
  return charges
}

/** The record holds this write of this instance: what that one charged is no longer owed. True when there was any. */
export function confirmOwed({ allowance }: LeasedLimit, write: number): boolean {
  const charged = allowance.attempts.get(write)
  if (charged === undefined) return false
  for (const [cell, tokens] of charged) add(allowance.owed, cell, -tokens)
  allowance.attempts.clear()
  allowance.prepaid = { cell: Number.NaN, tokens: 0 }
  return true
}

/** Notes who shares the limit. */
export function noteWriters({ allowance, stored }: LeasedLimit, nowMs: number): void {
  allowance.writers = activeWriters(stored?.record, nowMs, ACTIVE_WRITER_MS_MAX)
  allowance.peakWriters = Math.max(allowance.peakWriters, allowance.writers)
}

/** Moves what is owed to the cells of an edited window. */
export function moveOwed({ allowance }: LeasedLimit, from: Cells, to: Cells): void {
  allowance.owed = moveCharges(allowance.owed, from, to)
  for (const [write, charges] of allowance.attempts) allowance.attempts.set(write, moveCharges(charges, from, to))
  allowance.prepaid = { cell: Number.NaN, tokens: 0 }
}

export function toJournal({ own, cells, stored, readAtMs, allowance }: LeasedLimit): JournaledLimit {
  const { owed, prepaid, writers, peakWriters } = allowance
  const spent = new Map(owed)
  if (prepaid.tokens > 0) add(spent, prepaid.cell, prepaid.tokens)
  return { limit: own, record: stored?.record, readAtMs, division: cells.name, spent, writers, peakWriters }
}

/** Takes over what an earlier life of this instance knew. */
export function restore(leased: LeasedLimit, journaled: JournaledLimit, interval: TimeInterval): void {
  const { record, readAtMs, writers, peakWriters, spent, division } = journaled
  const { cells, allowance, own } = leased
  const from = cellsNamed(division)
  const lowest = lowestCounted(cells, interval)
  const moved = from === undefined || from.name === cells.name ? spent : moveCharges(spent, from, cells)
  for (const [cell, tokens] of moved) if (cell >= lowest) allowance.owed.set(cell, tokens)
  allowance.writers = writers
  allowance.peakWriters = peakWriters
  leased.readAtMs = readAtMs
  leased.stored = record && { record: underPolicy(record, own, cells, interval), version: '' }
}

function owedSince({ owed }: Allowance, lowest: number): number {
  let sum = 0
  for (const [cell, tokens] of owed) if (cell >= lowest) sum += tokens
  return sum
}

function add(charges: Map<number, number>, cell: number, tokens: number): void {
  const sum = (charges.get(cell) ?? 0) + tokens
  if (sum <= 0) charges.delete(cell)
  else charges.set(cell, sum)
}
