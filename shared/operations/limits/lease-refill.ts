import { decideGrant, type GrantRequest } from '../../domain/limits/grant.ts'
import { heldAt, settle, sumCharges, withGrants } from '../../domain/limits/lease.ts'
import {
  type Charges,
  emptyRecord,
  expiryOf,
  inDivision,
  nextFreedAt,
  written,
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
  /** This instance, for its lifetime: no two have the same. */
  readonly writer: string
}

/** Brings tokens from the store, and gives them back. */
export interface Refills {
  /** Gets what is waited for, and some more. Throws `store_unavailable`; then nothing that was held is lost. */
  refill(leased: LeasedLimit): Promise<void>
  /** Gives back what is held. */
  giveBack(leased: LeasedLimit): Promise<void>
  /** Learns what the store has, without writing. */
  look(leased: LeasedLimit): Promise<void>
}

const TRIES = 10
const PAUSE_MS = 15
const PAUSE_MS_MOST = 200
/** An instance that found nothing left asks again after so long at most: others may have given something back. */
const EXHAUSTED_MS_MOST = 5000
const EXHAUSTED_MS_LEAST = 500

export function limitRefills(needs: RefillNeeds): Refills {
  const writing: Writing = { ...needs, writes: 0 }
  return {
    refill: (leased) => alone(leased, () => refill(writing, leased)),
    async giveBack(leased) {
      while (leased.refilling !== undefined) await leased.refilling.catch(() => undefined)
      await alone(leased, () => giveBack(writing, leased))
    },
    look: (leased) => alone(leased, () => read(writing, leased)),
  }
}

interface Writing extends RefillNeeds {
  /** Every write of this instance has a number of its own. */
  writes: number
}

/** One at a time for each limit; who comes meanwhile waits for the one under way. */
function alone(leased: LeasedLimit, work: () => Promise<void>): Promise<void> {
  leased.refilling ??= work().finally(() => {
    leased.refilling = undefined
  })
  return leased.refilling
}

async function refill(writing: Writing, leased: LeasedLimit): Promise<void> {
  await writing.storeTime.settle()
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (await tryRefill(writing, leased)) return
    await pause(writing, attempt)
  }
  // So many others write it that this instance had better stand back.
  leased.exhausted = { untilMs: writing.storeTime.now() + PAUSE_MS_MOST, left: 0 }
}

/** True once it is known what can be had. */
async function tryRefill(writing: Writing, leased: LeasedLimit): Promise<boolean> {
  const startMs = writing.storeTime.now()
  if (!leased.isFresh || leased.isShared) await read(writing, leased)
  if (decide(writing, leased).grants.length === 0 && leased.readAtMs < startMs) await read(writing, leased)
  const { cells } = leased
  const decision = decide(writing, leased)
  const granted = new Map<number, number>()
  for (const { cell, tokens } of decision.grants) granted.set(cell, (granted.get(cell) ?? 0) + tokens)
  if (granted.size > 0 && !(await put(writing, leased, granted))) return false
  // A limit that was edited meanwhile counts in other cells: what was granted in the old ones stays charged, unspent.
  if (leased.cells !== cells) return false
  keep(leased, decision)
  return true
}

function keep(leased: LeasedLimit, { grants, left, request, interval }: ReturnType<typeof decide>): void {
  leased.leases = withGrants(leased.leases, grants)
  const tokens = grants.reduce((sum, grant) => sum + grant.tokens, 0)
  const extra = tokens > request.needed ? grants.at(-1) : undefined
  leased.lastGrant = { tokens: extra?.tokens ?? 0, forMs: extra === undefined ? 0 : extra.untilMs - interval.latestMs }
  const isAll = left === 0 || tokens === 0 || tokens < request.needed
  leased.exhausted = isAll ? exhaustion(leased, left, interval) : undefined
}

function decide({ storeTime, writer, writes }: Writing, leased: LeasedLimit) {
  const interval = intervalFor(leased.cells, storeTime.read())
  ageRate(leased, interval)
  leased.leases = settle(leased.leases, leased.pendingCharges, interval)
  const { limit, cells, pendingCharges } = leased
  const settled = written(recordOf(leased), cells, { charges: pendingCharges, writer, write: writes, interval })
  const request = requestOf(leased, interval)
  return { ...decideGrant({ record: settled, limit, cells, interval, request }), request, interval }
}

function requestOf(leased: LeasedLimit, interval: TimeInterval): GrantRequest {
  const { waiting, leases } = leased
  const held = heldAt(leases, interval.latestMs)
  const needed = Math.max(0, waiting.reduce((sum, cost) => sum + cost, 0) - held)
  const least = waiting.length === 0 ? 1 : Math.min(...waiting) - held
  return { needed, least, rate: rateOf(leased, interval) }
}

function exhaustion({ cells, stored }: LeasedLimit, left: number, interval: TimeInterval) {
  const freedMs = (stored && nextFreedAt(stored.record, cells, interval)) ?? interval.earliestMs
  const askMs = interval.earliestMs + Math.min(EXHAUSTED_MS_MOST, Math.max(EXHAUSTED_MS_LEAST, cells.windowMs / 20))
  return { untilMs: Math.min(freedMs, askMs), left }
}

async function giveBack(writing: Writing, leased: LeasedLimit): Promise<void> {
  for (const lease of leased.leases) lease.untilMs = Number.NEGATIVE_INFINITY
  leased.leases = settle(leased.leases, leased.pendingCharges, intervalFor(leased.cells, writing.storeTime.read()))
  for (let attempt = 0; attempt < TRIES && leased.pendingCharges.size > 0; attempt++) {
    if (!leased.isFresh) await read(writing, leased)
    if (leased.pendingCharges.size === 0 || (await put(writing, leased, new Map()))) return
    await pause(writing, attempt)
  }
}

async function read({ store, storeTime, writer }: Writing, leased: LeasedLimit): Promise<void> {
  const askedAtMs = storeTime.now()
  const found = await store.read(leased.limit)
  leased.isShared = leased.isShared && found?.version !== leased.stored?.version
  adopt(leased, found, writer)
  leased.readAtMs = askedAtMs
}

/**
 * Goes on from a record that somebody else may have written. One that does not know this instance's last write is not what
 * it was: what is held of it is charged nowhere any more.
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

/** Writes what is owed and granted; false when that was not written. Throws when it is not known whether it was. */
async function put(writing: Writing, leased: LeasedLimit, granted: Charges): Promise<boolean> {
  const { store, storeTime, meter, writer } = writing
  const { limit, cells, stored } = leased
  const interval = intervalFor(cells, storeTime.read())
  const write = ++writing.writes
  // What becomes owed while the write is under way is for the next one.
  const pendingCharges = new Map(leased.pendingCharges)
  leased.pendingCharges.clear()
  const record = written(recordOf(leased), cells, {
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
    else adoptAfterLoss(leased, result.found, pendingCharges, { writer, write, cells })
    return isWritten
  } catch (error) {
    meter.count('auth_api_limit_writes_total', { outcome: 'failed' })
    // Perhaps it was written: what was owed is not asked for again, and so counts too much rather than too little.
    leased.isFresh = false
    throw error
  }
}

/** What was owed stays so if this write was not written; a later number than its own does not tell. */
function adoptAfterLoss(
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

function pause({ scheduler, jitter }: Writing, attempt: number): Promise<void> {
  return new Promise((resolve) => {
    scheduler.after(jitter() * Math.min(PAUSE_MS_MOST, PAUSE_MS * 2 ** attempt), resolve)
  })
}
