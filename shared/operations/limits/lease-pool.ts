import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import { AppError, isOutage, isOutcomeOpen } from '../../domain/errors.ts'
import { heldAt } from '../../domain/limits/lease.ts'
import type { Limit } from '../../domain/limits/limit.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import type { Log, Scheduler } from '../../ports/runtime.ts'
import type { Refills } from './lease-refill.ts'
import { adoptLimit, allowanceLeft, emptyLeasedLimit, type LeasedLimit, runsLow, spareOf } from './leased-limit.ts'
import type { StoreClock } from './store-clock.ts'

/** Where a request's tokens come from. `exhausted`: there are none. `refill`: the store may have some. */
export type Source = 'lease' | 'allowance' | 'exhausted' | 'refill'

interface LeasePoolNeeds {
  readonly refills: Refills
  readonly storeTime: StoreClock
  readonly scheduler: Scheduler
  readonly log: Log
  /** How many limits are cached (LRU). */
  readonly maxLimits: number
}

/** What a request needs of one limit, at the interval that applies to that limit. */
interface TokenDemand {
  readonly cost: number
  /** Whether the request is already in `waiting`, so that its tokens are reserved. */
  readonly isWaiting: boolean
  readonly interval: TimeInterval
  readonly isTimeKnown: boolean
}

/** The leases of this instance on every limit, and whether it can refill them. */
export interface LeasePool {
  leasedLimitOf(limit: Limit): LeasedLimit
  all(): readonly LeasedLimit[]
  sourceOf(leased: LeasedLimit, demand: TokenDemand): Source
  /**
   * Refills from the store. In an outage throws `store_unavailable` for a limit by day or month, else goes offline.
   * Throws `overloaded` for every limit.
   */
  refill(leased: LeasedLimit): Promise<void>
  /** Reads the record, without writing. Throws as `refill` does. */
  look(leased: LeasedLimit): Promise<void>
  /** Refills ahead of demand; probes the store while it is down. Never delays a caller. */
  maintain(leased: LeasedLimit, interval: TimeInterval): void
  /** Whether the store was down at the last attempt. */
  isOffline(): boolean
  giveBackAll(): Promise<void>
}

/** A lease that ends sooner is renewed; longer than a round trip to the store. */
const RENEW_AHEAD_MS = 300
const PROBE_EVERY_MS = 1000
/** Idle tokens return to the store where the window is at least this long; in a shorter one they soon expire anyway. */
const RETURN_MS_MIN = 10 * 60_000
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
      const cached = leasedLimits.get(key)
      if (cached !== undefined) {
        adoptLimit(cached, limit)
        return cached
      }
      const created = emptyLeasedLimit(limit, storeTime.now())
      leasedLimits.set(key, created)
      return created
    },
    all: () => [...leasedLimits.values()],
    sourceOf: (leased, demand) => sourceOf(connection, leased, demand),
    async refill(leased) {
      await connection.use(leased, () => refills.refill(leased))
      if (isWorthReturning(leased)) planSweep()
    },
    look: (leased) => connection.use(leased, () => refills.look(leased)),
    maintain(leased, interval) {
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
  { cost, isWaiting, interval, isTimeKnown }: TokenDemand,
): Source {
  const isCalendar = isByCalendar(leased.limit)
  const spare = isWaiting ? heldAt(leased.leases, interval.latestMs) : spareOf(leased, interval)
  if (spare >= cost && (isCalendar || isTimeKnown)) return 'lease'
  if (!isCalendar && connection.isOffline()) return allowanceLeft(leased, interval) >= cost ? 'allowance' : 'exhausted'
  return isExhausted(leased, spare, cost, interval) ? 'exhausted' : 'refill'
}

/** Tracks by use whether the store is up. */
interface StoreConnection {
  /** Runs work on the store. When the store is down, the instance goes offline and retries after a second. */
  use(leased: LeasedLimit, work: () => Promise<void>): Promise<void>
  isOffline(): boolean
  /** Probes in the background whether the store is back, at most once a second. */
  probe(leased: LeasedLimit): void
  /** Runs work that no caller waits for. Ignores an outage or overload: the work is repeated when it is needed. */
  inBackground(work: Promise<unknown>): void
}

function storeConnection({ refills, storeTime, log }: LeasePoolNeeds): StoreConnection {
  let retryAtMs: number | undefined
  let isProbing = false

  const isBackingOff = () => retryAtMs !== undefined && storeTime.now() < retryAtMs

  async function tracked(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (isOutage(error)) retryAtMs = storeTime.now() + PROBE_EVERY_MS
      throw error
    }
    retryAtMs = undefined
  }

  async function useForCalendar(work: () => Promise<void>): Promise<void> {
    if (isBackingOff()) throw unavailable()
    await tracked(work)
  }

  async function useForWindow(work: () => Promise<void>): Promise<void> {
    if (isBackingOff()) return
    try {
      await tracked(work)
    } catch (error) {
      if (!isOutage(error)) throw error
    }
  }

  const use = ({ limit }: LeasedLimit, work: () => Promise<void>) =>
    isByCalendar(limit) ? useForCalendar(work) : useForWindow(work)

  function inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!isOutcomeOpen(error)) log('error', 'a limit could not be written', { error: nameOf(error) })
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
    isOffline: () => retryAtMs !== undefined,
    probe(leased) {
      if (!isProbing && !isBackingOff()) inBackground(probe(leased))
    },
  }
}

/** Gives idle tokens back. The returned function schedules the sweep, which repeats while any tokens are worth it. */
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

/** Gives tokens back. Ignores an outage and a refusal of our own: the tokens expire. */
async function giveBack(refills: Refills, leasedLimits: readonly LeasedLimit[]): Promise<void> {
  await pLimit(RETURNS_AT_ONCE).map(leasedLimits, async (leased) => {
    try {
      await refills.giveBack(leased)
    } catch (error) {
      if (!isOutcomeOpen(error)) throw error
    }
  })
}

function isRenewable(leased: LeasedLimit, interval: TimeInterval): boolean {
  return (
    leased.refilling === undefined && !isExhausted(leased, 0, 1, interval) && runsLow(leased, interval, RENEW_AHEAD_MS)
  )
}

/** Whether the store is known to have too few tokens. Makes no request. */
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
  return cells.windowMs >= RETURN_MS_MIN && leases.some(({ left }) => left > 0)
}

/** Limits by day and month are billed: no request passes without a lease. */
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
