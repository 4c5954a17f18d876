import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import { AppError, isOutage } from '../../domain/errors.ts'
import { heldAt } from '../../domain/limits/lease.ts'
import type { Limit } from '../../domain/limits/limit.ts'
import type { Moment } from '../../domain/limits/time-interval.ts'
import type { Log, Scheduler } from '../../ports/runtime.ts'
import type { Refills } from './lease-refill.ts'
import { adoptLimit, emptyHolding, type Holding, runsLow, shareLeft, spareOf } from './leased-limit.ts'
import type { StoreClock } from './store-clock.ts'

/** Where a request's tokens come from. `short`: from nowhere. `ask`: from the store, if it has any. */
export type Source = 'lease' | 'share' | 'short' | 'ask'

interface DeskNeeds {
  readonly refills: Refills
  readonly storeTime: StoreClock
  readonly scheduler: Scheduler
  readonly log: Log
  /** How many limits are remembered. */
  readonly maxHoldings: number
}

/** What a request wants of a limit, at a moment as it is for that limit. */
interface Want {
  readonly cost: number
  /** Whether the request is among those that tokens are kept for. */
  readonly waits: boolean
  readonly moment: Moment
  readonly isTimeKnown: boolean
}

/** What this instance holds of every limit, and whether it can get more. */
export interface LimitDesk {
  holdingOf(limit: Limit): Holding
  /** undefined for a limit that was not asked for lately. */
  known(limit: Limit): Holding | undefined
  all(): readonly Holding[]
  sourceOf(holding: Holding, want: Want): Source
  /** Gets more from the store, or finds that there is no way to. Throws `store_unavailable` for a limit by day or month. */
  ask(holding: Holding): Promise<void>
  /** Learns what the store has, without writing. Throws as `ask` does. */
  look(holding: Holding): Promise<void>
  /** Gets more ahead of need, and looks after the store while it is away: behind the callers. */
  keepUp(holding: Holding, moment: Moment): void
  /** Whether no lease can be had, for want of the store. */
  isApart(): boolean
  giveBackAll(): Promise<void>
}

/** A lease that ends sooner is renewed; longer than any wait for the store. */
const RENEW_AHEAD_MS = 300
const PROBE_EVERY_MS = 1000
/** What is charged for longer than this after its death is given back when it lies idle. */
const RETURN_MS_LEAST = 10 * 60_000
const IDLE_MS = 60_000
const RETURNS_AT_ONCE = 16

export function limitDesk(needs: DeskNeeds): LimitDesk {
  const { refills, storeTime } = needs
  const reach = storeReach(needs)
  const holdings = new LRUCache<string, Holding>({
    max: needs.maxHoldings,
    dispose: (holding, _key, reason) => {
      if (reason === 'evict' && isWorthReturning(holding)) reach.behind(refills.giveBack(holding))
    },
  })
  const planSweep = idleSweep(needs, reach, () => [...holdings.values()])

  return {
    holdingOf(limit) {
      const key = keyOf(limit)
      const known = holdings.get(key)
      if (known !== undefined) {
        adoptLimit(known, limit)
        return known
      }
      const made = emptyHolding(limit, storeTime.now())
      holdings.set(key, made)
      return made
    },
    known: (limit) => holdings.get(keyOf(limit)),
    all: () => [...holdings.values()],
    sourceOf: (holding, want) => sourceOf(reach, holding, want),
    async ask(holding) {
      await reach.use(holding, () => refills.refill(holding))
      if (isWorthReturning(holding)) planSweep()
    },
    look: (holding) => reach.use(holding, () => refills.look(holding)),
    keepUp(holding, moment) {
      if (reach.isApart()) reach.probe(holding)
      else if (isRenewable(holding, moment)) reach.behind(this.ask(holding))
    },
    isApart: reach.isApart,
    giveBackAll: () =>
      giveBack(
        refills,
        [...holdings.values()].filter(({ leases }) => leases.length > 0),
      ),
  }
}

function sourceOf(reach: StoreReach, holding: Holding, { cost, waits, moment, isTimeKnown }: Want): Source {
  const isMoney = isByCalendar(holding.limit)
  const spare = waits ? heldAt(holding.leases, moment.lateMs) : spareOf(holding, moment)
  if (spare >= cost && (isMoney || isTimeKnown)) return 'lease'
  if (!isMoney && reach.isApart()) return shareLeft(holding, moment) >= cost ? 'share' : 'short'
  return isShort(holding, spare, cost, moment) ? 'short' : 'ask'
}

/** Whether the store can be had, found out by use. */
interface StoreReach {
  /** Runs work on the store. Where it cannot be had, this instance is on its own for a while. */
  use(holding: Holding, work: () => Promise<void>): Promise<void>
  isApart(): boolean
  /** Looks whether the store is back, now and then: nobody waits for it. */
  probe(holding: Holding): void
  /** Work that nobody waits for: it fails with the store, and is done again when it is needed. */
  behind(work: Promise<unknown>): void
}

function storeReach({ refills, storeTime, log }: DeskNeeds): StoreReach {
  let restsUntilMs: number | undefined
  let isProbing = false

  const isResting = () => restsUntilMs !== undefined && storeTime.now() < restsUntilMs

  async function reach(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (isOutage(error)) restsUntilMs = storeTime.now() + PROBE_EVERY_MS
      throw error
    }
    restsUntilMs = undefined
  }

  async function useForMoney(work: () => Promise<void>): Promise<void> {
    if (isResting()) throw unavailable()
    await reach(work)
  }

  async function useForWindow(work: () => Promise<void>): Promise<void> {
    if (isResting()) return
    try {
      await reach(work)
    } catch (error) {
      if (!isOutage(error)) throw error
    }
  }

  const use = ({ limit }: Holding, work: () => Promise<void>) =>
    isByCalendar(limit) ? useForMoney(work) : useForWindow(work)

  function behind(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!isOutage(error)) log('error', 'a limit could not be written', { error: nameOf(error) })
    })
  }

  async function probe(holding: Holding): Promise<void> {
    isProbing = true
    try {
      await use(holding, () => refills.look(holding))
    } finally {
      isProbing = false
    }
  }

  return {
    use,
    behind,
    isApart: () => restsUntilMs !== undefined,
    probe(holding) {
      if (!isProbing && !isResting()) behind(probe(holding))
    },
  }
}

/** Gives back what lies idle, as long as there is something that could; the returned function begins it. */
function idleSweep(needs: DeskNeeds, reach: StoreReach, all: () => readonly Holding[]): () => void {
  let isPlanned = false
  return function plan() {
    if (isPlanned) return
    isPlanned = true
    needs.scheduler.after(IDLE_MS, () => {
      isPlanned = false
      const worth = all().filter(isWorthReturning)
      const idle = worth.filter(({ lastUseMs }) => lastUseMs <= needs.storeTime.now() - IDLE_MS)
      reach.behind(giveBack(needs.refills, idle))
      if (worth.length > idle.length) plan()
    })
  }
}

/** What cannot be given back lapses. */
async function giveBack(refills: Refills, holdings: readonly Holding[]): Promise<void> {
  await pLimit(RETURNS_AT_ONCE).map(holdings, async (holding) => {
    try {
      await refills.giveBack(holding)
    } catch (error) {
      if (!isOutage(error)) throw error
    }
  })
}

function isRenewable(holding: Holding, moment: Moment): boolean {
  return holding.refilling === undefined && !isShort(holding, 0, 1, moment) && runsLow(holding, moment, RENEW_AHEAD_MS)
}

/** Known without asking: the store has less than is wanted. */
function isShort({ short, limit }: Holding, spare: number, cost: number, { earlyMs }: Moment): boolean {
  return cost > limit.limit || (short !== undefined && earlyMs < short.untilMs && spare + short.left < cost)
}

function isWorthReturning({ leases, cells }: Holding): boolean {
  return cells.windowMs >= RETURN_MS_LEAST && leases.some(({ left }) => left > 0)
}

/** Limits by day and month are money: nothing is let through on a guess. */
function isByCalendar({ window }: Limit): boolean {
  return window.kind === 'day' || window.kind === 'month'
}

function keyOf({ subject, name, window }: Limit): string {
  return `${subject}|${name}|${window.kind}`
}

function unavailable(): AppError {
  return new AppError('store_unavailable', 'The store did not answer. Try again.', { retryAfterSeconds: 1 })
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown'
}
