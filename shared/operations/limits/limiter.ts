import { heldAt } from '../../domain/limits/lease.ts'
import type { Limit, LimitState, Taking } from '../../domain/limits/limit.ts'
import { freedTo } from '../../domain/limits/limit-record.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import { freedAt, intervalFor } from '../../domain/limits/window-cells.ts'
import type { Limiter, LimitStore } from '../../ports/limits.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { type LeasePool, leasePool, type Source } from './lease-pool.ts'
import { limitRefills } from './lease-refill.ts'
import { allowanceLeft, type LeasedLimit, spendAllowance, spendLease, stateOf } from './leased-limit.ts'
import { type StoreClock, storeClock } from './store-clock.ts'

interface LimiterNeeds {
  readonly store: LimitStore
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly meter: Meter
  readonly log: Log
  /** In [0, 1). */
  readonly jitter: () => number
  /** This instance, for its lifetime: no two have the same. */
  readonly writer: string
  /** How many limits are remembered. */
  readonly maxLimits?: number
}

const LIMITS_MAX = 20_000
/** Others may take what came for a request that needs several limits at once; after so many rounds it gives way. */
const ROUNDS = 10
const GAVE_WAY_MS = 1000
/** What was read so lately is good enough to look at. */
const LOOK_MS = 2000

/** Holds limits by leased tokens; docs/decisions/leased-ring.md has the proof that they hold. */
export function limiter(needs: LimiterNeeds): Limiter {
  const { store, clock, scheduler, meter, log, maxLimits = LIMITS_MAX } = needs
  const storeTime = storeClock({ tellTime: store.tellTime, clock })
  const refills = limitRefills({ ...needs, storeTime })
  const pool = leasePool({ refills, storeTime, scheduler, log, maxLimits })
  const limiting: Limiting = { pool, storeTime, meter }

  function leases(): number {
    const { latestMs } = storeTime.read()
    return pool.all().filter((leased) => heldAt(leased.leases, latestMs) > 0).length
  }

  return {
    take: (limits, cost) => take(limiting, limits, cost),
    look: (limits, cost) => look(limiting, limits, cost),
    release: () => pool.giveBackAll(),
    leases,
    clockSkewSeconds: () => storeTime.skewSeconds(),
  }
}

interface Limiting {
  readonly pool: LeasePool
  readonly storeTime: StoreClock
  readonly meter: Meter
}

/** One request, at one instant. */
interface Asked {
  readonly leasedLimits: readonly LeasedLimit[]
  /** The instant, as it is for each of them. */
  readonly intervals: readonly TimeInterval[]
  /** Where the tokens of each would come from. */
  readonly sources: readonly Source[]
  readonly cost: number
}

function sourcesOf(
  { pool, storeTime }: Limiting,
  leasedLimits: readonly LeasedLimit[],
  cost: number,
  waitsFor?: ReadonlySet<LeasedLimit>,
): Asked {
  const now = storeTime.read()
  const intervals = leasedLimits.map(({ cells }) => intervalFor(cells, now))
  const sources = leasedLimits.map((leased, index) => {
    const waits = waitsFor?.has(leased) ?? false
    return pool.sourceOf(leased, { cost, waits, interval: intervals[index] ?? now, isTimeKnown: now.isKnown })
  })
  return { leasedLimits, intervals, sources, cost }
}

function take(limiting: Limiting, limits: readonly Limit[], cost: number): Taking | Promise<Taking> {
  const { pool } = limiting
  const leasedLimits = limits.map((limit) => pool.leasedLimitOf(limit))
  const asked = sourcesOf(limiting, leasedLimits, cost)
  const taking = conclude(limiting, asked, 'lease')
  for (const [index, interval] of asked.intervals.entries()) {
    const leased = leasedLimits[index]
    if (leased !== undefined) pool.keepUp(leased, interval)
  }
  return taking ?? takeFromStore(limiting, leasedLimits, cost)
}

/** Spends from all or from none; undefined while the store must be asked. Waits for nothing, so nobody comes between. */
function conclude(limiting: Limiting, asked: Asked, source: 'lease' | 'store'): Taking | undefined {
  const { leasedLimits, intervals, sources, cost } = asked
  const exhausted = leasedLimits[sources.indexOf('exhausted')]
  if (exhausted !== undefined) return refuse(limiting, leasedLimits, exhausted, cost)
  if (sources.includes('refill')) return undefined
  for (const [index, interval] of intervals.entries()) {
    const [leased, isAllowance] = [leasedLimits[index], sources[index] === 'allowance']
    if (leased === undefined) continue
    if (isAllowance) spendAllowance(leased, interval, cost)
    else spendLease(leased, interval, cost)
    limiting.meter.count('auth_api_limit_decisions_total', {
      result: 'granted',
      source: isAllowance ? 'local' : source,
    })
  }
  return { kind: 'taken', states: leasedLimits.map((leased, index) => stateFrom(limiting, leased, intervals[index])) }
}

async function takeFromStore(limiting: Limiting, leasedLimits: readonly LeasedLimit[], cost: number): Promise<Taking> {
  const waitsFor = new Set<LeasedLimit>()
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const asked = sourcesOf(limiting, leasedLimits, cost, waitsFor)
      const taking = conclude(limiting, asked, 'store')
      if (taking !== undefined) return taking
      const missing = leasedLimits.filter((_, index) => asked.sources[index] === 'refill')
      for (const leased of missing) {
        if (!waitsFor.has(leased)) leased.waiting.push(cost)
        waitsFor.add(leased)
      }
      await Promise.all(missing.map((leased) => limiting.pool.refill(leased)))
    }
    return giveWay(limiting, leasedLimits, cost)
  } finally {
    for (const { waiting } of waitsFor) waiting.splice(waiting.indexOf(cost), 1)
  }
}

function giveWay(limiting: Limiting, leasedLimits: readonly LeasedLimit[], cost: number): Taking {
  const { sources } = sourcesOf(limiting, leasedLimits, cost)
  const by = leasedLimits[sources.findIndex((source) => source !== 'lease')] ?? leasedLimits[0]
  if (by === undefined) return { kind: 'taken', states: [] }
  return { ...refuse(limiting, leasedLimits, by, cost), retryAfterMs: GAVE_WAY_MS }
}

async function look(limiting: Limiting, limits: readonly Limit[], cost: number): Promise<Taking> {
  const { pool, storeTime } = limiting
  const leasedLimits = limits.map((limit) => pool.leasedLimitOf(limit))
  const old = leasedLimits.filter(({ readAtMs }) => readAtMs < storeTime.now() - LOOK_MS)
  await Promise.all(old.map((leased) => pool.look(leased)))
  const states = leasedLimits.map((leased) => stateFrom(limiting, leased))
  const exhausted = leasedLimits.find((_, index) => (states[index]?.remaining ?? 0) < cost)
  if (exhausted !== undefined) return refuse(limiting, leasedLimits, exhausted, cost)
  return { kind: 'taken', states: states.map((state) => ({ ...state, remaining: state.remaining - cost })) }
}

type Refusal = Extract<Taking, { readonly kind: 'refused' }>

function refuse(
  limiting: Limiting,
  leasedLimits: readonly LeasedLimit[],
  exhausted: LeasedLimit,
  cost: number,
): Refusal {
  const { pool, storeTime, meter } = limiting
  meter.count('auth_api_limit_decisions_total', { result: 'refused', source: pool.isOffline() ? 'local' : 'lease' })
  const { earliestMs } = intervalFor(exhausted.cells, storeTime.read())
  // The bounds of the time widen meanwhile.
  const retryAfterMs = Math.max(1, Math.ceil((retryAt(limiting, exhausted, cost) - earliestMs) * 1.001))
  const states = leasedLimits.map((leased) => stateFrom(limiting, leased))
  return { kind: 'refused', states, by: stateFrom(limiting, exhausted), retryAfterMs }
}

function retryAt({ pool, storeTime }: Limiting, leased: LeasedLimit, cost: number): number {
  const { limit, cells, stored, allowance, leases, exhausted } = leased
  const interval = intervalFor(cells, storeTime.read())
  if (cost > limit.limit) return interval.earliestMs + cells.windowMs
  if (cells.behind === 0) return cells.endMs(cells.indexAt(interval.earliestMs))
  if (pool.isOffline())
    return freedAt(cells, allowance.size === 0 ? cells.indexAt(interval.earliestMs) : Math.min(...allowance.keys()))
  const enough = limit.limit - cost + heldAt(leases, interval.latestMs)
  const freedMs = stored === undefined ? interval.earliestMs : freedTo(stored.record, cells, interval, enough)
  return Math.max(freedMs, Math.min(exhausted?.untilMs ?? interval.earliestMs, interval.earliestMs + GAVE_WAY_MS))
}

function stateFrom(
  { pool, storeTime }: Limiting,
  leased: LeasedLimit,
  interval = intervalFor(leased.cells, storeTime.read()),
): LimitState {
  const state = stateOf(leased, interval)
  if (!pool.isOffline()) return state
  const remaining = allowanceLeft(leased, interval) + heldAt(leased.leases, interval.latestMs)
  return { ...state, remaining: Math.min(state.remaining, remaining) }
}
