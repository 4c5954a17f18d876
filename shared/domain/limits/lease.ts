import type { Grant } from './grant.ts'
import type { Charges } from './limit-record.ts'
import type { TimeInterval } from './time-interval.ts'
import { type Cells, chargeable } from './window-cells.ts'

/** Tokens an instance holds, charged to one cell of the record. */
export interface Lease {
  readonly cell: number
  untilMs: number
  left: number
  /** Tokens spent in cells before `cell`, by cell. */
  readonly spent: Map<number, number>
}

export function leaseOf({ cell, tokens, untilMs }: Grant): Lease {
  return { cell, untilMs, left: tokens, spent: new Map() }
}

/** The tokens that may be spent while the store's clock shows at most `latestMs`. */
export function heldAt(leases: readonly Lease[], latestMs: number): number {
  let held = 0
  for (const { left, untilMs } of leases) if (untilMs > latestMs) held += left
  return held
}

/** Spends held tokens, first to expire first. Throws when fewer than `cost` are held. */
export function spend(leases: readonly Lease[], cells: Cells, interval: TimeInterval, cost: number): void {
  const cell = chargeable(cells, interval)
  let rest = cost
  for (const lease of leases) {
    if (lease.untilMs <= interval.latestMs || lease.left === 0) continue
    const tokens = Math.min(lease.left, rest)
    lease.left -= tokens
    rest -= tokens
    if (cell < lease.cell) lease.spent.set(cell, (lease.spent.get(cell) ?? 0) + tokens)
    if (rest === 0) return
  }
  if (rest > 0) throw new Error('More was spent of a limit than is held.')
}

/**
 * Adds to `charges` the corrections for the next write: spent tokens move to the cells in which they were spent, and
 * expired tokens are removed. Returns the leases that still hold tokens.
 */
export function settle(leases: readonly Lease[], charges: Map<number, number>, { latestMs }: TimeInterval): Lease[] {
  for (const lease of leases) {
    for (const [cell, tokens] of lease.spent) {
      add(charges, cell, tokens)
      add(charges, lease.cell, -tokens)
    }
    lease.spent.clear()
    if (lease.untilMs > latestMs) continue
    add(charges, lease.cell, -lease.left)
    lease.left = 0
  }
  return leases.filter(({ left }) => left > 0)
}

/** The leases together with the grants, in the order in which they expire. */
export function withGrants(leases: readonly Lease[], grants: readonly Grant[]): Lease[] {
  return [...leases, ...grants.map(leaseOf)].sort((a, b) => a.untilMs - b.untilMs)
}

/** The sum of charges, cell by cell. */
export function sumCharges(...parts: readonly Charges[]): Charges {
  const sum = new Map<number, number>()
  for (const part of parts) for (const [cell, tokens] of part) add(sum, cell, tokens)
  return sum
}

function add(charges: Map<number, number>, cell: number, tokens: number): void {
  const sum = (charges.get(cell) ?? 0) + tokens
  if (sum === 0) charges.delete(cell)
  else charges.set(cell, sum)
}
