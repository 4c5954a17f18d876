import { decideGrant, type GrantRequest } from '../../domain/limits/grant.ts'
import { heldAt, settle, sumCharges, withGrants } from '../../domain/limits/lease.ts'
import { afterWrite, nextFreedAt } from '../../domain/limits/limit-record.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import { intervalFor } from '../../domain/limits/window-cells.ts'
import { ageRate, type LeasedLimit, rateOf } from './leased-limit.ts'
import { addTo, type RefillContext, type RefillNeeds, readRecord, recordOf, writeRecord } from './record-sync.ts'

/** Takes tokens from the store, and gives them back. */
export interface Refills {
  /** Leases what the waiting requests need, and some more. Throws `store_unavailable`; held tokens stay valid. */
  refill(leased: LeasedLimit): Promise<void>
  /** Gives all held tokens back. Throws `store_unavailable`. */
  giveBack(leased: LeasedLimit): Promise<void>
  /** Reads the record, without writing. */
  look(leased: LeasedLimit): Promise<void>
}

const ATTEMPTS_MAX = 10
const BACKOFF_MS = 15
const BACKOFF_MS_MAX = 200
/** The longest time until an exhausted limit is read again: another instance may have returned tokens. */
const EXHAUSTED_MS_MAX = 5000
const EXHAUSTED_MS_MIN = 500

export function limitRefills(needs: RefillNeeds): Refills {
  const context: RefillContext = { ...needs, writes: 0 }
  return {
    refill: (leased) => singleFlight(leased, () => refill(context, leased)),
    async giveBack(leased) {
      while (leased.refilling !== undefined) await leased.refilling.catch(() => undefined)
      await singleFlight(leased, () => giveBack(context, leased))
    },
    look: (leased) => singleFlight(leased, () => readRecord(context, leased)),
  }
}

/** Runs one operation at a time per limit; a caller that comes meanwhile joins it. */
function singleFlight(leased: LeasedLimit, work: () => Promise<void>): Promise<void> {
  leased.refilling ??= work().finally(() => {
    leased.refilling = undefined
  })
  return leased.refilling
}

async function refill(context: RefillContext, leased: LeasedLimit): Promise<void> {
  await context.storeTime.synchronize()
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (await tryRefill(context, leased)) return
    await backOff(context, attempt)
  }
  // Too many instances write the record: this one backs off.
  leased.exhausted = { untilMs: context.storeTime.now() + BACKOFF_MS_MAX, left: 0 }
}

/** False when the write lost a race, or when the limit was edited meanwhile. */
async function tryRefill(context: RefillContext, leased: LeasedLimit): Promise<boolean> {
  const startMs = context.storeTime.now()
  if (!leased.isFresh || leased.isShared) await readRecord(context, leased)
  if (decide(context, leased).grants.length === 0 && leased.readAtMs < startMs) await readRecord(context, leased)
  const { edition, cells } = leased
  const decision = decide(context, leased)
  const granted = new Map<number, number>()
  for (const { cell, tokens } of decision.grants) granted.set(cell, (granted.get(cell) ?? 0) + tokens)
  if (isWorthWriting(leased, granted) && !(await writeRecord(context, leased, granted))) return false
  if (leased.edition === edition) {
    acceptGrants(leased, decision)
    return true
  }
  // The grants are void, and return where the record still has their cells.
  if (leased.cells === cells) addTo(leased.pendingCharges, granted, -1)
  return false
}

function isWorthWriting({ isVoided, allowance: { owed } }: LeasedLimit, granted: ReadonlyMap<number, number>): boolean {
  return granted.size > 0 || isVoided || owed.size > 0
}

function acceptGrants(leased: LeasedLimit, { grants, left, request, interval }: ReturnType<typeof decide>): void {
  leased.leases = withGrants(leased.leases, grants)
  const tokens = grants.reduce((sum, grant) => sum + grant.tokens, 0)
  const extra = tokens > request.needed ? grants.at(-1) : undefined
  leased.lastGrant = {
    tokens: extra?.tokens ?? 0,
    durationMs: extra === undefined ? 0 : extra.untilMs - interval.latestMs,
  }
  const isAllGranted = left === 0 || tokens === 0 || tokens < request.needed
  leased.exhausted = isAllGranted ? exhaustion(leased, left, interval) : undefined
}

function decide({ storeTime, writer, writes }: RefillContext, leased: LeasedLimit) {
  const interval = intervalFor(leased.cells, storeTime.read())
  ageRate(leased, interval)
  leased.leases = settle(leased.leases, leased.pendingCharges, interval)
  const { limit, cells, pendingCharges, allowance } = leased
  const charges = sumCharges(pendingCharges, allowance.owed)
  const settled = afterWrite(recordOf(leased), cells, { charges, writer, write: writes, interval })
  const request = requestOf(leased, interval)
  return { ...decideGrant({ record: settled, limit, cells, interval, request }), request, interval }
}

function requestOf(leased: LeasedLimit, interval: TimeInterval): GrantRequest {
  const { waiting, leases } = leased
  const held = heldAt(leases, interval.latestMs)
  const needed = Math.max(0, waiting.reduce((sum, cost) => sum + cost, 0) - held)
  const minTokens = waiting.length === 0 ? 1 : Math.min(...waiting) - held
  return { needed, minTokens, rate: rateOf(leased, interval) }
}

function exhaustion({ cells, stored }: LeasedLimit, left: number, interval: TimeInterval) {
  const freedMs = (stored && nextFreedAt(stored.record, cells, interval)) ?? interval.earliestMs
  const recheckMs = interval.earliestMs + Math.min(EXHAUSTED_MS_MAX, Math.max(EXHAUSTED_MS_MIN, cells.windowMs / 20))
  return { untilMs: Math.min(freedMs, recheckMs), left }
}

async function giveBack(context: RefillContext, leased: LeasedLimit): Promise<void> {
  for (const lease of leased.leases) lease.untilMs = Number.NEGATIVE_INFINITY
  leased.leases = settle(leased.leases, leased.pendingCharges, intervalFor(leased.cells, context.storeTime.read()))
  for (
    let attempt = 0;
    attempt < ATTEMPTS_MAX && leased.pendingCharges.size + leased.allowance.owed.size > 0;
    attempt++
  ) {
    if (!leased.isFresh) await readRecord(context, leased)
    const isSettled = leased.pendingCharges.size === 0 && leased.allowance.owed.size === 0
    if (isSettled || (await writeRecord(context, leased, new Map()))) return
    await backOff(context, attempt)
  }
}

/** The first retry begins at once, on the record that won. */
async function backOff({ scheduler, jitter }: RefillContext, attempt: number): Promise<void> {
  if (attempt === 0) return
  await new Promise<void>((resolve) => {
    scheduler.after(jitter() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** attempt), resolve)
  })
}
