import { type Cells, chargeable } from './limit-cells.ts'
import type { Grant } from './limit-grant.ts'
import type { Charges } from './limit-record.ts'

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

/** The tokens that may be spent at this instant. */
export function heldAt(leases: readonly Lease[], atMs: number): number {
  let held = 0
  for (const { left, untilMs } of leases) if (untilMs > atMs) held += left
  return held
}

/** Spends tokens that are held, those that die first before the others. */
export function spend(leases: readonly Lease[], cells: Cells, nowMs: number, cost: number): void {
  const cell = chargeable(cells, nowMs)
  let rest = cost
  for (const lease of leases) {
    if (lease.untilMs <= nowMs || lease.left === 0) continue
    const tokens = Math.min(lease.left, rest)
    lease.left -= tokens
    rest -= tokens
    if (cell < lease.cell) lease.spent.set(cell, (lease.spent.get(cell) ?? 0) + tokens)
    if (rest === 0) return
  }
}

/**
 * What the next write should set right, added to `charges`: spent tokens go to the cells in which they were spent, and
 * tokens that have died are taken away. Returns the leases that go on.
 */
export function settle(leases: readonly Lease[], charges: Map<number, number>, nowMs: number): Lease[] {
  for (const lease of leases) {
    for (const [cell, tokens] of lease.spent) {
      add(charges, cell, tokens)
      add(charges, lease.cell, -tokens)
    }
    lease.spent.clear()
    if (lease.untilMs > nowMs) continue
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
