import { decideGrant, type Wish } from '../../domain/limits/grant.ts'
import { heldAt, settle, sumCharges, withGrants } from '../../domain/limits/lease.ts'
import {
  type Charges,
  emptyRecord,
  expiryOf,
  inDivision,
  nextFreedAt,
  written,
} from '../../domain/limits/limit-record.ts'
import type { Moment } from '../../domain/limits/time-interval.ts'
import { type Cells, momentFor } from '../../domain/limits/window-cells.ts'
import type { LimitStore, StoredLimit } from '../../ports/limits.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Scheduler } from '../../ports/runtime.ts'
import { agePace, type Holding, paceOf } from './leased-limit.ts'
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
  refill(holding: Holding): Promise<void>
  /** Gives back what is held. */
  giveBack(holding: Holding): Promise<void>
  /** Learns what the store has, without writing. */
  look(holding: Holding): Promise<void>
}

const TRIES = 10
const PAUSE_MS = 15
const PAUSE_MS_MOST = 200
/** An instance that found nothing left asks again after so long at most: others may have given something back. */
const SHORT_MS_MOST = 5000
const SHORT_MS_LEAST = 500

export function limitRefills(needs: RefillNeeds): Refills {
  const writing: Writing = { ...needs, writes: 0 }
  return {
    refill: (holding) => alone(holding, () => refill(writing, holding)),
    async giveBack(holding) {
      while (holding.refilling !== undefined) await holding.refilling.catch(() => undefined)
      await alone(holding, () => giveBack(writing, holding))
    },
    look: (holding) => alone(holding, () => read(writing, holding)),
  }
}

interface Writing extends RefillNeeds {
  /** Every write of this instance has a number of its own. */
  writes: number
}

/** One at a time for each limit; who comes meanwhile waits for the one under way. */
function alone(holding: Holding, work: () => Promise<void>): Promise<void> {
  holding.refilling ??= work().finally(() => {
    holding.refilling = undefined
  })
  return holding.refilling
}

async function refill(writing: Writing, holding: Holding): Promise<void> {
  await writing.storeTime.settle()
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (await tryRefill(writing, holding)) return
    await pause(writing, attempt)
  }
  // So many others write it that this instance had better stand back.
  holding.short = { untilMs: writing.storeTime.now() + PAUSE_MS_MOST, left: 0 }
}

/** True once it is known what can be had. */
async function tryRefill(writing: Writing, holding: Holding): Promise<boolean> {
  const startMs = writing.storeTime.now()
  if (!holding.isFresh || holding.isShared) await read(writing, holding)
  if (decide(writing, holding).grants.length === 0 && holding.readAtMs < startMs) await read(writing, holding)
  const { cells } = holding
  const decision = decide(writing, holding)
  const granted = new Map<number, number>()
  for (const { cell, tokens } of decision.grants) granted.set(cell, (granted.get(cell) ?? 0) + tokens)
  if (granted.size > 0 && !(await put(writing, holding, granted))) return false
  // A limit that was edited meanwhile counts in other cells: what was granted in the old ones stays charged, unspent.
  if (holding.cells !== cells) return false
  keep(holding, decision)
  return true
}

function keep(holding: Holding, { grants, left, wish, moment }: ReturnType<typeof decide>): void {
  holding.leases = withGrants(holding.leases, grants)
  const tokens = grants.reduce((sum, grant) => sum + grant.tokens, 0)
  const extra = tokens > wish.needed ? grants.at(-1) : undefined
  holding.lastGrant = { tokens: extra?.tokens ?? 0, forMs: extra === undefined ? 0 : extra.untilMs - moment.lateMs }
  const isAll = left === 0 || tokens === 0 || tokens < wish.needed
  holding.short = isAll ? shortage(holding, left, moment) : undefined
}

function decide({ storeTime, writer, writes }: Writing, holding: Holding) {
  const moment = momentFor(holding.cells, storeTime.read())
  agePace(holding, moment)
  holding.leases = settle(holding.leases, holding.owed, moment)
  const { limit, cells, owed } = holding
  const settled = written(recordOf(holding), cells, { charges: owed, writer, write: writes, moment })
  const wish = wishOf(holding, moment)
  return { ...decideGrant({ record: settled, limit, cells, moment, wish }), wish, moment }
}

function wishOf(holding: Holding, moment: Moment): Wish {
  const { waiting, leases } = holding
  const held = heldAt(leases, moment.lateMs)
  const needed = Math.max(0, waiting.reduce((sum, cost) => sum + cost, 0) - held)
  const least = waiting.length === 0 ? 1 : Math.min(...waiting) - held
  return { needed, least, pace: paceOf(holding, moment) }
}

function shortage({ cells, stored }: Holding, left: number, moment: Moment) {
  const freedMs = (stored && nextFreedAt(stored.record, cells, moment)) ?? moment.earlyMs
  const askMs = moment.earlyMs + Math.min(SHORT_MS_MOST, Math.max(SHORT_MS_LEAST, cells.windowMs / 20))
  return { untilMs: Math.min(freedMs, askMs), left }
}

async function giveBack(writing: Writing, holding: Holding): Promise<void> {
  for (const lease of holding.leases) lease.untilMs = Number.NEGATIVE_INFINITY
  holding.leases = settle(holding.leases, holding.owed, momentFor(holding.cells, writing.storeTime.read()))
  for (let attempt = 0; attempt < TRIES && holding.owed.size > 0; attempt++) {
    if (!holding.isFresh) await read(writing, holding)
    if (holding.owed.size === 0 || (await put(writing, holding, new Map()))) return
    await pause(writing, attempt)
  }
}

async function read({ store, storeTime, writer }: Writing, holding: Holding): Promise<void> {
  const askedAtMs = storeTime.now()
  const found = await store.read(holding.limit)
  holding.isShared = holding.isShared && found?.version !== holding.stored?.version
  adopt(holding, found, writer)
  holding.readAtMs = askedAtMs
}

/**
 * Goes on from a record that somebody else may have written. One that does not know this instance's last write is not what
 * it was: what is held of it is charged nowhere any more.
 */
function adopt(holding: Holding, found: StoredLimit | undefined, writer: string): void {
  if (lastWriteOf(found, writer) < holding.lastWrite) {
    holding.leases = []
    holding.owed.clear()
  }
  holding.lastWrite = lastWriteOf(found, writer)
  holding.stored = found && { ...found, record: inDivision(found.record, holding.cells) }
  holding.isFresh = true
}

const lastWriteOf = (found: StoredLimit | undefined, writer: string): number =>
  found?.record.writers.get(writer)?.write ?? 0

const recordOf = ({ stored, cells }: Holding) => stored?.record ?? emptyRecord(cells)

/** Writes what is owed and granted; false when that was not written. Throws when it is not known whether it was. */
async function put(writing: Writing, holding: Holding, granted: Charges): Promise<boolean> {
  const { store, storeTime, meter, writer } = writing
  const { limit, cells, stored } = holding
  const moment = momentFor(cells, storeTime.read())
  const write = ++writing.writes
  // What becomes owed while the write is under way is for the next one.
  const owed = new Map(holding.owed)
  holding.owed.clear()
  const record = written(recordOf(holding), cells, { charges: sumCharges(owed, granted), writer, write, moment })
  try {
    const result = await storeTime.learnFrom(
      () => store.write(limit, record, stored?.version, new Date(expiryOf(record, cells, moment.earlyMs))),
      (done) => (done.kind === 'written' ? done.at : undefined),
    )
    const isWritten = result.kind === 'written' || lastWriteOf(result.found, writer) === write
    meter.count('auth_api_limit_writes_total', { outcome: isWritten ? 'written' : 'stale' })
    if (isWritten) holding.readAtMs = moment.earlyMs
    if (result.kind === 'written') adopt(holding, { record, version: result.version }, writer)
    else adoptAfterLoss(holding, result.found, owed, { writer, write, cells })
    return isWritten
  } catch (error) {
    meter.count('auth_api_limit_writes_total', { outcome: 'failed' })
    // Perhaps it was written: what was owed is not asked for again, and so counts too much rather than too little.
    holding.isFresh = false
    throw error
  }
}

/** What was owed stays so if this write was not written; a later number than its own does not tell. */
function adoptAfterLoss(
  holding: Holding,
  found: StoredLimit | undefined,
  owed: Charges,
  { writer, write, cells }: { readonly writer: string; readonly write: number; readonly cells: Cells },
): void {
  holding.isShared = true
  if (lastWriteOf(found, writer) < write && holding.cells === cells) {
    const all = sumCharges(holding.owed, owed)
    holding.owed.clear()
    for (const [cell, tokens] of all) holding.owed.set(cell, tokens)
  }
  adopt(holding, found, writer)
}

function pause({ scheduler, jitter }: Writing, attempt: number): Promise<void> {
  return new Promise((resolve) => {
    scheduler.after(jitter() * Math.min(PAUSE_MS_MOST, PAUSE_MS * 2 ** attempt), resolve)
  })
}
