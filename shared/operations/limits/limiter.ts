import { heldAt } from '../../domain/limits/lease.ts'
import type { Limit, LimitState, Taking } from '../../domain/limits/limit.ts'
import { freedTo } from '../../domain/limits/limit-record.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import { freedAt, intervalFor } from '../../domain/limits/window-cells.ts'
import type { Limiter, LimitJournal, LimitStore } from '../../ports/limits.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { spendAllowance } from './allowance.ts'
import { type LeasePool, leasePool, type Source } from './lease-pool.ts'
import { limitRefills } from './lease-refill.ts'
import { type LeasedLimit, recordUse, spendLease, stateOf } from './leased-limit.ts'
import { type StoreClock, storeClock } from './store-clock.ts'

interface LimiterNeeds {
  readonly store: LimitStore
  /** Absent: a restart forgets what was spent without the store. */
  readonly journal?: LimitJournal
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly meter: Meter
  readonly log: Log
  /** In [0, 1). */
  readonly jitter: () => number
  /** The unique name of this instance, for its lifetime. */
  readonly writer: string
  /** How many limits are cached (LRU). */
  readonly maxLimits?: number
}

const LIMITS_MAX = 20_000
/** Concurrent requests may spend what a request for several limits refilled. After this many rounds it is refused. */
const ROUNDS_MAX = 10
const RETRY_MS = 1000
/** `look` reads a record again when it is older. */
const LOOK_MAX_AGE_MS = 2000

/** Enforces limits by leased tokens; docs/decisions/0004-leased-rate-limits.md proves that they hold. */
export function limiter(needs: LimiterNeeds): Limiter {
  const { store, journal, clock, scheduler, meter, log, maxLimits = LIMITS_MAX } = needs
  const storeTime = storeClock({ tellTime: store.tellTime, clock })
  const refills = limitRefills({ ...needs, storeTime })
  const pool = leasePool({ refills, storeTime, journal, scheduler, log, maxLimits })
  const context: LimiterContext = { pool, storeTime, journal, meter }

  function leases(): number {
    const { latestMs } = storeTime.read()
    return pool.all().filter((leased) => heldAt(leased.leases, latestMs) > 0).length
  }

  return {
    take: (limits, cost) => take(context, limits, cost),
    look: (limits, cost) => look(context, limits, cost),
    release: () => pool.giveBackAll(),
    leases,
    clockSkewSeconds: () => storeTime.skewSeconds(),
  }
}

interface LimiterContext {
  readonly pool: LeasePool
  readonly storeTime: StoreClock
  readonly journal: LimitJournal | undefined
  readonly meter: Meter
}

/** One request at one instant: where each limit's tokens would come from. */
interface TakePlan {
  readonly leasedLimits: readonly LeasedLimit[]
  /** The instant as it applies to each limit. */
  readonly intervals: readonly TimeInterval[]
  readonly sources: readonly Source[]
  readonly cost: number
}

function planTake(
  { pool, storeTime }: LimiterContext,
  leasedLimits: readonly LeasedLimit[],
  cost: number,
  waitsFor?: ReadonlySet<LeasedLimit>,
): TakePlan {
  const now = storeTime.read()
  const intervals = leasedLimits.map(({ cells }) => intervalFor(cells, now))
  const sources = leasedLimits.map((leased, index) => {
    const isWaiting = waitsFor?.has(leased) ?? false
    return pool.sourceOf(leased, { cost, isWaiting, interval: intervals[index] ?? now, isTimeKnown: now.isKnown })
  })
  return { leasedLimits, intervals, sources, cost }
}

function take(context: LimiterContext, limits: readonly Limit[], cost: number): Taking | Promise<Taking> {
  const { pool } = context
  const leasedLimits = limits.map((limit) => pool.leasedLimitOf(limit))
  const plan = planTake(context, leasedLimits, cost)
  const taking = tryTake(context, plan, 'lease')
  for (const [index, interval] of plan.intervals.entries()) {
    const leased = leasedLimits[index]
    if (leased !== undefined) pool.maintain(leased, interval)
  }
  return taking ?? takeFromStore(context, leasedLimits, cost)
}

/** Spends from all limits or from none, synchronously: takes do not interleave. Undefined when a refill is needed. */
function tryTake(context: LimiterContext, plan: TakePlan, source: 'lease' | 'store'): Taking | undefined {
  const { leasedLimits, intervals, sources, cost } = plan
  const exhausted = leasedLimits[sources.indexOf('exhausted')]
  if (exhausted !== undefined) return refuse(context, leasedLimits, exhausted, cost)
  if (sources.includes('refill')) return undefined
  for (const [index, interval] of intervals.entries()) {
    const [leased, isAllowance] = [leasedLimits[index], sources[index] === 'allowance']
    if (leased === undefined) continue
    if (isAllowance) {
      spendAllowance(leased, interval, cost, context.journal)
      recordUse(leased, interval, cost)
    } else spendLease(leased, interval, cost)
    context.meter.count('auth_api_limit_decisions_total', {
      result: 'granted',
      source: isAllowance ? 'local' : source,
    })
  }
  return { kind: 'taken', states: leasedLimits.map((leased, index) => stateFrom(context, leased, intervals[index])) }
}

async function takeFromStore(
  context: LimiterContext,
  leasedLimits: readonly LeasedLimit[],
  cost: number,
): Promise<Taking> {
  const waitsFor = new Set<LeasedLimit>()
  try {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const plan = planTake(context, leasedLimits, cost, waitsFor)
      const taking = tryTake(context, plan, 'store')
      if (taking !== undefined) return taking
      const missing = leasedLimits.filter((_, index) => plan.sources[index] === 'refill')
      for (const leased of missing) {
        if (!waitsFor.has(leased)) leased.waiting.push(cost)
        waitsFor.add(leased)
      }
      await Promise.all(missing.map((leased) => context.pool.refill(leased)))
    }
    return refuseContended(context, leasedLimits, cost)
  } finally {
    for (const { waiting } of waitsFor) waiting.splice(waiting.indexOf(cost), 1)
  }
}

function refuseContended(context: LimiterContext, leasedLimits: readonly LeasedLimit[], cost: number): Taking {
  const { sources } = planTake(context, leasedLimits, cost)
  const by = leasedLimits[sources.findIndex((source) => source !== 'lease')] ?? leasedLimits[0]
  if (by === undefined) return { kind: 'taken', states: [] }
  return { ...refuse(context, leasedLimits, by, cost), retryAfterMs: RETRY_MS }
}

async function look(context: LimiterContext, limits: readonly Limit[], cost: number): Promise<Taking> {
  const { pool, storeTime } = context
  const leasedLimits = limits.map((limit) => pool.leasedLimitOf(limit))
  const outdated = leasedLimits.filter(({ readAtMs }) => readAtMs < storeTime.now() - LOOK_MAX_AGE_MS)
  await Promise.all(outdated.map((leased) => pool.look(leased)))
  const states = leasedLimits.map((leased) => stateFrom(context, leased))
  const exhausted = leasedLimits.find((_, index) => (states[index]?.remaining ?? 0) < cost)
  if (exhausted !== undefined) return refuse(context, leasedLimits, exhausted, cost)
  return { kind: 'taken', states: states.map((state) => ({ ...state, remaining: state.remaining - cost })) }
}

type Refusal = Extract<Taking, { readonly kind: 'refused' }>

function refuse(
  context: LimiterContext,
  leasedLimits: readonly LeasedLimit[],
  exhausted: LeasedLimit,
  cost: number,
): Refusal {
  const { pool, storeTime, meter } = context
  meter.count('auth_api_limit_decisions_total', {
    result: 'refused',
    source: pool.isWithoutStore(exhausted.limit) ? 'local' : 'lease',
  })
  const { earliestMs } = intervalFor(exhausted.cells, storeTime.read())
  // The bounds of the time widen until then.
  const retryAfterMs = Math.max(1, Math.ceil((retryAt(context, exhausted, cost) - earliestMs) * 1.001))
  const states = leasedLimits.map((leased) => stateFrom(context, leased))
  return {
    kind: 'refused',
    states,
    by: stateFrom(context, exhausted),
    at: leasedLimits.indexOf(exhausted),
    retryAfterMs,
  }
}

function retryAt({ pool, storeTime }: LimiterContext, leased: LeasedLimit, cost: number): number {
  const { limit, cells, stored, allowance, leases, exhausted } = leased
  const interval = intervalFor(cells, storeTime.read())
  if (cost > limit.limit) return interval.earliestMs + cells.windowMs
  if (cells.lookback === 0) return cells.endMs(cells.indexAt(interval.earliestMs))
  if (pool.isWithoutStore(limit)) {
    const { owed } = allowance
    return freedAt(cells, owed.size === 0 ? cells.indexAt(interval.earliestMs) : Math.min(...owed.keys()))
  }
  const enough = limit.limit - cost + heldAt(leases, interval.latestMs)
  const freedMs = stored === undefined ? interval.earliestMs : freedTo(stored.record, cells, interval, enough)
  return Math.max(freedMs, Math.min(exhausted?.untilMs ?? interval.earliestMs, interval.earliestMs + RETRY_MS))
}

function stateFrom(
  { pool, storeTime }: LimiterContext,
  leased: LeasedLimit,
  interval = intervalFor(leased.cells, storeTime.read()),
): LimitState {
  const state = stateOf(leased, interval)
  if (!pool.isWithoutStore(leased.limit)) return state
  const remaining = pool.allowanceLeft(leased, interval) + heldAt(leased.leases, interval.latestMs)
  return { ...state, remaining: Math.min(state.remaining, remaining) }
}
