import type { Grant } from './grant.ts'
import type { Charges } from './limit-record.ts'
import type { TimeInterval } from './time-interval.ts'
import { type Cells, chargeable } from './window-cells.ts'

/** Tokens that an instance holds, charged to one cell of the record. */
export interface Lease {
  readonly cell: number
  untilMs: number
  left: number
  /** What was spent in earlier cells than the one it is charged to, by cell. */
  readonly spent: Map<number, number>
}

export function leaseOf({ cell, tokens, untilMs }: Grant): Lease {
  return { cell, untilMs, left: tokens, spent: new Map() }
}

/** The tokens that may be spent while it may be as late as that. */
export function heldAt(leases: readonly Lease[], latestMs: number): number {
  let held = 0
  for (const { left, untilMs } of leases) if (untilMs > latestMs) held += left
  return held
}

/** Spends tokens that are held at this moment, those that die first before the others. */
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
 * What the next write should set right, added to `charges`: spent tokens go to the cells in which they were spent, and
 * tokens that have died are taken away. Returns the leases that go on.
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

/** The leases with a grant among them, in the order in which they die. */
export function withGrants(leases: readonly Lease[], grants: readonly Grant[]): Lease[] {
  return [...leases, ...grants.map(leaseOf)].sort((a, b) => a.untilMs - b.untilMs)
}

/** Charges of some cells, one by one. */
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
