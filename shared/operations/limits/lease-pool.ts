import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import { isOutcomeOpen } from '../../domain/errors.ts'
import { heldAt } from '../../domain/limits/lease.ts'
import { type Limit, recordName } from '../../domain/limits/limit.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import type { LimitJournal } from '../../ports/limits.ts'
import type { Log, Scheduler } from '../../ports/runtime.ts'
import { allowanceLeft, restore, toJournal } from './allowance.ts'
import type { Refills } from './lease-refill.ts'
import { adoptLimit, emptyLeasedLimit, type LeasedLimit, runsLow, spareOf } from './leased-limit.ts'
import type { StoreClock } from './store-clock.ts'
import { type StoreConnection, storeConnection } from './store-connection.ts'

/** Where a request's tokens come from. `exhausted`: there are none. `refill`: the store may have some. */
export type Source = 'lease' | 'allowance' | 'exhausted' | 'refill'

interface LeasePoolNeeds {
  readonly refills: Refills
  readonly storeTime: StoreClock
  readonly journal: LimitJournal | undefined
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
   * Refills from the store. Waits while that is in doubt; in an outage throws `store_unavailable` without an allowance.
   * Throws `overloaded` for every limit.
   */
  refill(leased: LeasedLimit): Promise<void>
  /** Reads the record, without writing. Throws as `refill` does. */
  look(leased: LeasedLimit): Promise<void>
  /** Refills ahead of demand. Never delays a caller. */
  maintain(leased: LeasedLimit, interval: TimeInterval): void
  /** Whether this instance enforces the limit alone for now. */
  isWithoutStore(limit: Limit): boolean
  /** The tokens that this instance may let through without the store. */
  allowanceLeft(leased: LeasedLimit, interval: TimeInterval): number
  giveBackAll(): Promise<void>
}

/** A lease that ends sooner is renewed; longer than a round trip to the store. In a short window, a part of it. */
const RENEW_AHEAD_MS = 300
const RENEW_AHEAD_PART = 20
/** Idle tokens return to the store where the window is at least this long; in a shorter one they soon expire anyway. */
const RETURN_MS_MIN = 10 * 60_000
const IDLE_MS = 60_000
const RETURNS_AT_ONCE = 16
const JOURNAL_EVERY_MS = 5000
/** A batch blocks the process for some ms. */
const JOURNAL_BATCH = 200

export function leasePool(needs: LeasePoolNeeds): LeasePool {
  const { refills, storeTime } = needs
  const connection = storeConnection({ ...needs, now: () => storeTime.now() })
  const writeJournal = journalWriter(needs)
  const allowance = (leased: LeasedLimit, interval: TimeInterval) =>
    allowanceLeft(leased, interval, connection.failingSinceMs() ?? interval.earliestMs)
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
        adoptLimit(cached, limit, storeTime.read())
        return cached
      }
      const created = emptyLeasedLimit(limit, storeTime.now())
      const journaled = needs.journal?.find(limit)
      if (journaled !== undefined) restore(created, journaled, storeTime.read())
      leasedLimits.set(key, created)
      return created
    },
    all: () => [...leasedLimits.values()],
    sourceOf(leased, demand) {
      const left = connection.isWithoutStore(leased.limit) ? allowance(leased, demand.interval) : undefined
      return sourceOf(leased, demand, left)
    },
    async refill(leased) {
      await connection.use(leased.limit, () => refills.refill(leased))
      writeJournal(leased)
      if (isWorthReturning(leased)) planSweep()
    },
    look: (leased) => connection.use(leased.limit, () => refills.look(leased)),
    maintain(leased, interval) {
      if (!connection.isOffline() && isRenewable(leased, interval)) connection.inBackground(this.refill(leased))
    },
    isWithoutStore: connection.isWithoutStore,
    allowanceLeft: allowance,
    giveBackAll: () =>
      giveBack(
        refills,
        [...leasedLimits.values()].filter(({ leases, allowance: { owed } }) => leases.length > 0 || owed.size > 0),
      ),
  }
}

/** `allowance`: what may be let through alone; undefined while the store decides. */
function sourceOf(
  leased: LeasedLimit,
  { cost, isWaiting, interval, isTimeKnown }: TokenDemand,
  allowance: number | undefined,
): Source {
  const isCalendar = !('seconds' in leased.limit.window)
  const spare = isWaiting ? heldAt(leased.leases, interval.latestMs) : spareOf(leased, interval)
  if (spare >= cost && (isCalendar || isTimeKnown)) return 'lease'
  if (allowance !== undefined) return allowance >= cost ? 'allowance' : 'exhausted'
  return isExhausted(leased, spare, cost, interval) ? 'exhausted' : 'refill'
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
  if (leased.refilling !== undefined || isExhausted(leased, 0, 1, interval)) return false
  const { windowMs, lookback } = leased.cells
  return runsLow(
    leased,
    interval,
    lookback === 0 ? RENEW_AHEAD_MS : Math.min(RENEW_AHEAD_MS, windowMs / RENEW_AHEAD_PART),
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

/** Keys of one lineage share a record, each with its own policy. */
function keyOf(limit: Limit): string {
  return `${limit.subject}|${recordName(limit)}|${limit.holder ?? ''}`
}

/** Writes what was read of limits to the journal, some seconds later and many at once. */
function journalWriter({ journal, scheduler }: LeasePoolNeeds): (leased: LeasedLimit) => void {
  if (journal === undefined) return () => undefined
  const { save } = journal
  const changed = new Set<LeasedLimit>()
  function plan(): void {
    scheduler.after(JOURNAL_EVERY_MS, () => {
      const batch = [...changed].slice(0, JOURNAL_BATCH)
      for (const leased of batch) changed.delete(leased)
      save(batch.map(toJournal))
      if (changed.size > 0) plan()
    })
  }
  return (leased) => {
    if (changed.size === 0) plan()
    changed.add(leased)
  }
}
