import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import { AppError, isOutage } from '../../domain/errors.ts'
import { heldAt } from '../../domain/limits/lease.ts'
import type { Limit } from '../../domain/limits/limit.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import type { Log, Scheduler } from '../../ports/runtime.ts'
import type { Refills } from './lease-refill.ts'
import { adoptLimit, allowanceLeft, emptyLeasedLimit, type LeasedLimit, runsLow, spareOf } from './leased-limit.ts'
import type { StoreClock } from './store-clock.ts'

/** Where a request's tokens come from. `short`: from nowhere. `ask`: from the store, if it has any. */
export type Source = 'lease' | 'allowance' | 'exhausted' | 'refill'

interface LeasePoolNeeds {
  readonly refills: Refills
  readonly storeTime: StoreClock
  readonly scheduler: Scheduler
  readonly log: Log
  /** How many limits are remembered. */
  readonly maxLimits: number
}

/** What a request wants of a limit, at a moment as it is for that limit. */
interface Want {
  readonly cost: number
  /** Whether the request is among those that tokens are kept for. */
  readonly waits: boolean
  readonly interval: TimeInterval
  readonly isTimeKnown: boolean
}

/** What this instance holds of every limit, and whether it can get more. */
export interface LeasePool {
  leasedLimitOf(limit: Limit): LeasedLimit
  all(): readonly LeasedLimit[]
  sourceOf(leased: LeasedLimit, want: Want): Source
  /** Gets more from the store, or finds that there is no way to. Throws `store_unavailable` for a limit by day or month. */
  refill(leased: LeasedLimit): Promise<void>
  /** Learns what the store has, without writing. Throws as `ask` does. */
  look(leased: LeasedLimit): Promise<void>
  /** Gets more ahead of need, and looks after the store while it is away: behind the callers. */
  keepUp(leased: LeasedLimit, interval: TimeInterval): void
  /** Whether no lease can be had, for want of the store. */
  isOffline(): boolean
  giveBackAll(): Promise<void>
}

/** A lease that ends sooner is renewed; longer than any wait for the store. */
const RENEW_AHEAD_MS = 300
const PROBE_EVERY_MS = 1000
/** What is charged for longer than this after its death is given back when it lies idle. */
const RETURN_MS_LEAST = 10 * 60_000
const IDLE_MS = 60_000
const RETURNS_AT_ONCE = 16

export function leasePool(needs: LeasePoolNeeds): LeasePool {
  const { refills, storeTime } = needs
  const connection = storeConnection(needs)
  const leasedLimits = new LRUCache<string, LeasedLimit>({
    max: needs.maxLimits,
    dispose: (leased, _key, reason) => {
      if (reason === 'evict' && isWorthReturning(leased)) connection.inBackground(refills.giveBack(leased))
    },
  })
  const planSweep = idleSweep(needs, connection, () => [...leasedLimits.values()])

  return {
    leasedLimitOf(limit) {
      const key = keyOf(limit)
      const known = leasedLimits.get(key)
      if (known !== undefined) {
        adoptLimit(known, limit)
        return known
      }
      const made = emptyLeasedLimit(limit, storeTime.now())
      leasedLimits.set(key, made)
      return made
    },
    all: () => [...leasedLimits.values()],
    sourceOf: (leased, want) => sourceOf(connection, leased, want),
    async refill(leased) {
      await connection.use(leased, () => refills.refill(leased))
      if (isWorthReturning(leased)) planSweep()
    },
    look: (leased) => connection.use(leased, () => refills.look(leased)),
    keepUp(leased, interval) {
      if (connection.isOffline()) connection.probe(leased)
      else if (isRenewable(leased, interval)) connection.inBackground(this.refill(leased))
    },
    isOffline: connection.isOffline,
    giveBackAll: () =>
      giveBack(
        refills,
        [...leasedLimits.values()].filter(({ leases }) => leases.length > 0),
      ),
  }
}

function sourceOf(
  connection: StoreConnection,
  leased: LeasedLimit,
  { cost, waits, interval, isTimeKnown }: Want,
): Source {
  const isMoney = isByCalendar(leased.limit)
  const spare = waits ? heldAt(leased.leases, interval.latestMs) : spareOf(leased, interval)
  if (spare >= cost && (isMoney || isTimeKnown)) return 'lease'
  if (!isMoney && connection.isOffline()) return allowanceLeft(leased, interval) >= cost ? 'allowance' : 'exhausted'
  return isExhausted(leased, spare, cost, interval) ? 'exhausted' : 'refill'
}

/** Whether the store can be had, found out by use. */
interface StoreConnection {
  /** Runs work on the store. Where it cannot be had, this instance is on its own for a while. */
  use(leased: LeasedLimit, work: () => Promise<void>): Promise<void>
  isOffline(): boolean
  /** Looks whether the store is back, now and then: nobody waits for it. */
  probe(leased: LeasedLimit): void
  /** Work that nobody waits for: it fails with the store, and is done again when it is needed. */
  inBackground(work: Promise<unknown>): void
}

function storeConnection({ refills, storeTime, log }: LeasePoolNeeds): StoreConnection {
  let restsUntilMs: number | undefined
  let isProbing = false

  const isResting = () => restsUntilMs !== undefined && storeTime.now() < restsUntilMs

  async function connection(work: () => Promise<void>): Promise<void> {
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
    await connection(work)
  }

  async function useForWindow(work: () => Promise<void>): Promise<void> {
    if (isResting()) return
    try {
      await connection(work)
    } catch (error) {
      if (!isOutage(error)) throw error
    }
  }

  const use = ({ limit }: LeasedLimit, work: () => Promise<void>) =>
    isByCalendar(limit) ? useForMoney(work) : useForWindow(work)

  function inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!isOutage(error)) log('error', 'a limit could not be written', { error: nameOf(error) })
    })
  }

  async function probe(leased: LeasedLimit): Promise<void> {
    isProbing = true
    try {
      await use(leased, () => refills.look(leased))
    } finally {
      isProbing = false
    }
  }

  return {
    use,
    inBackground,
    isOffline: () => restsUntilMs !== undefined,
    probe(leased) {
      if (!isProbing && !isResting()) inBackground(probe(leased))
    },
  }
}

/** Gives back what lies idle, as long as there is something that could; the returned function begins it. */
function idleSweep(needs: LeasePoolNeeds, connection: StoreConnection, all: () => readonly LeasedLimit[]): () => void {
  let isPlanned = false
  return function plan() {
    if (isPlanned) return
    isPlanned = true
    needs.scheduler.after(IDLE_MS, () => {
      isPlanned = false
      const worth = all().filter(isWorthReturning)
      const idle = worth.filter(({ lastUseMs }) => lastUseMs <= needs.storeTime.now() - IDLE_MS)
      connection.inBackground(giveBack(needs.refills, idle))
      if (worth.length > idle.length) plan()
    })
  }
}

/** What cannot be given back lapses. */
async function giveBack(refills: Refills, leasedLimits: readonly LeasedLimit[]): Promise<void> {
  await pLimit(RETURNS_AT_ONCE).map(leasedLimits, async (leased) => {
    try {
      await refills.giveBack(leased)
    } catch (error) {
      if (!isOutage(error)) throw error
    }
  })
}

function isRenewable(leased: LeasedLimit, interval: TimeInterval): boolean {
  return (
    leased.refilling === undefined && !isExhausted(leased, 0, 1, interval) && runsLow(leased, interval, RENEW_AHEAD_MS)
  )
}

/** Known without asking: the store has less than is wanted. */
function isExhausted(
  { exhausted, limit }: LeasedLimit,
  spare: number,
  cost: number,
  { earliestMs }: TimeInterval,
): boolean {
  return (
    cost > limit.limit || (exhausted !== undefined && earliestMs < exhausted.untilMs && spare + exhausted.left < cost)
  )
}

function isWorthReturning({ leases, cells }: LeasedLimit): boolean {
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
