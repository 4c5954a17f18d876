import { decideGrant, type GrantRequest } from '../../domain/limits/grant.ts'
import { heldAt, settle, sumCharges, withGrants } from '../../domain/limits/lease.ts'
import {
  afterWrite,
  type Charges,
  emptyRecord,
  expiryOf,
  inDivision,
  nextFreedAt,
} from '../../domain/limits/limit-record.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import { type Cells, intervalFor } from '../../domain/limits/window-cells.ts'
import type { LimitStore, StoredLimit } from '../../ports/limits.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Scheduler } from '../../ports/runtime.ts'
import { ageRate, type LeasedLimit, rateOf } from './leased-limit.ts'
import type { StoreClock } from './store-clock.ts'

interface RefillNeeds {
  readonly store: LimitStore
  readonly storeTime: StoreClock
  readonly scheduler: Scheduler
  readonly meter: Meter
  /** In [0, 1). */
  readonly jitter: () => number
  /** The unique name of this instance, for its lifetime. */
  readonly writer: string
}

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
    look: (leased) => singleFlight(leased, () => read(context, leased)),
  }
}

interface RefillContext extends RefillNeeds {
  /** Numbers the writes of this instance. */
  writes: number
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

/** False when the write lost a race. */
async function tryRefill(context: RefillContext, leased: LeasedLimit): Promise<boolean> {
  const startMs = context.storeTime.now()
  if (!leased.isFresh || leased.isShared) await read(context, leased)
  if (decide(context, leased).grants.length === 0 && leased.readAtMs < startMs) await read(context, leased)
  const { cells } = leased
  const decision = decide(context, leased)
  const granted = new Map<number, number>()
  for (const { cell, tokens } of decision.grants) granted.set(cell, (granted.get(cell) ?? 0) + tokens)
  if (granted.size > 0 && !(await writeRecord(context, leased, granted))) return false
  // The limit was edited meanwhile and counts in other cells. The grants in the old cells stay charged, unspent.
  if (leased.cells !== cells) return false
  acceptGrants(leased, decision)
  return true
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
  const { limit, cells, pendingCharges } = leased
  const settled = afterWrite(recordOf(leased), cells, { charges: pendingCharges, writer, write: writes, interval })
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
  for (let attempt = 0; attempt < ATTEMPTS_MAX && leased.pendingCharges.size > 0; attempt++) {
    if (!leased.isFresh) await read(context, leased)
    if (leased.pendingCharges.size === 0 || (await writeRecord(context, leased, new Map()))) return
    await backOff(context, attempt)
  }
}

async function read({ store, storeTime, writer }: RefillContext, leased: LeasedLimit): Promise<void> {
  const requestedAtMs = storeTime.now()
  const found = await store.read(leased.limit)
  leased.isShared = leased.isShared && found?.version !== leased.stored?.version
  adopt(leased, found, writer)
  leased.readAtMs = requestedAtMs
}

/**
 * Takes over a record that another instance may have written. A record without this instance's last write was lost,
 * restored or pruned: the held leases are no longer charged, so they are dropped.
 */
function adopt(leased: LeasedLimit, found: StoredLimit | undefined, writer: string): void {
  if (lastWriteOf(found, writer) < leased.lastWrite) {
    leased.leases = []
    leased.pendingCharges.clear()
  }
  leased.lastWrite = lastWriteOf(found, writer)
  leased.stored = found && { ...found, record: inDivision(found.record, leased.cells) }
  leased.isFresh = true
}

const lastWriteOf = (found: StoredLimit | undefined, writer: string): number =>
  found?.record.writers.get(writer)?.write ?? 0

const recordOf = ({ stored, cells }: LeasedLimit) => stored?.record ?? emptyRecord(cells)

/** Writes pending charges and grants. Returns false when the write lost a race; throws when its outcome is unknown. */
async function writeRecord(context: RefillContext, leased: LeasedLimit, granted: Charges): Promise<boolean> {
  const { store, storeTime, meter, writer } = context
  const { limit, cells, stored } = leased
  const interval = intervalFor(cells, storeTime.read())
  const write = ++context.writes
  // Charges that arise during the write are left to the next one.
  const pendingCharges = new Map(leased.pendingCharges)
  leased.pendingCharges.clear()
  const record = afterWrite(recordOf(leased), cells, {
    charges: sumCharges(pendingCharges, granted),
    writer,
    write,
    interval,
  })
  try {
    const result = await storeTime.learnFrom(
      () => store.write(limit, record, stored?.version, new Date(expiryOf(record, cells, interval.earliestMs))),
      (done) => (done.kind === 'written' ? done.at : undefined),
    )
    const isWritten = result.kind === 'written' || lastWriteOf(result.found, writer) === write
    meter.count('auth_api_limit_writes_total', { outcome: isWritten ? 'written' : 'stale' })
    if (isWritten) leased.readAtMs = interval.earliestMs
    if (result.kind === 'written') adopt(leased, { record, version: result.version }, writer)
    else adoptAfterConflict(leased, result.found, pendingCharges, { writer, write, cells })
    return isWritten
  } catch (error) {
    meter.count('auth_api_limit_writes_total', { outcome: 'failed' })
    // The write may have happened. Pending charges are not repeated: the record counts too much, not too little.
    leased.isFresh = false
    throw error
  }
}

/** Restores the pending charges if the write did not happen. A later write number leaves that open: drops them. */
function adoptAfterConflict(
  leased: LeasedLimit,
  found: StoredLimit | undefined,
  pendingCharges: Charges,
  { writer, write, cells }: { readonly writer: string; readonly write: number; readonly cells: Cells },
): void {
  leased.isShared = true
  if (lastWriteOf(found, writer) < write && leased.cells === cells) {
    const all = sumCharges(leased.pendingCharges, pendingCharges)
    leased.pendingCharges.clear()
    for (const [cell, tokens] of all) leased.pendingCharges.set(cell, tokens)
  }
  adopt(leased, found, writer)
}

function backOff({ scheduler, jitter }: RefillContext, attempt: number): Promise<void> {
  return new Promise((resolve) => {
    scheduler.after(jitter() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** attempt), resolve)
  })
}
