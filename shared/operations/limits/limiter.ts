import { heldAt } from '../../domain/limits/lease.ts'
import type { Limit, LimitState, Taking } from '../../domain/limits/limit.ts'
import { freedTo } from '../../domain/limits/limit-record.ts'
import type { Moment } from '../../domain/limits/time-interval.ts'
import { freedAt, momentFor } from '../../domain/limits/window-cells.ts'
import type { Limiter, LimitStore } from '../../ports/limits.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { type LimitDesk, limitDesk, type Source } from './lease-pool.ts'
import { limitRefills } from './lease-refill.ts'
import { type Holding, shareLeft, spendLease, spendShare, stateOf } from './leased-limit.ts'
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
  readonly maxHoldings?: number
}

const HOLDINGS_MAX = 20_000
/** Others may take what came for a request that needs several limits at once; after so many rounds it gives way. */
const ROUNDS = 10
const GAVE_WAY_MS = 1000
/** What was read so lately is good enough to look at. */
const LOOK_MS = 2000

/** Holds limits by leased tokens; docs/decisions/leased-ring.md has the proof that they hold. */
export function limiter(needs: LimiterNeeds): Limiter {
  const { store, clock, scheduler, meter, log, maxHoldings = HOLDINGS_MAX } = needs
  const storeTime = storeClock({ tellTime: store.tellTime, clock })
  const refills = limitRefills({ ...needs, storeTime })
  const desk = limitDesk({ refills, storeTime, scheduler, log, maxHoldings })
  const limiting: Limiting = { desk, storeTime, meter }

  function leases(): number {
    const { lateMs } = storeTime.read()
    return desk.all().filter((holding) => heldAt(holding.leases, lateMs) > 0).length
  }

  return {
    take: (limits, cost) => take(limiting, limits, cost),
    look: (limits, cost) => look(limiting, limits, cost),
    isSpent(limit) {
      const holding = desk.known(limit)
      return holding !== undefined && sourcesOf(limiting, [holding], 1).sources[0] === 'short'
    },
    release: () => desk.giveBackAll(),
    leases,
    clockSkewSeconds: () => storeTime.skewSeconds(),
  }
}

interface Limiting {
  readonly desk: LimitDesk
  readonly storeTime: StoreClock
  readonly meter: Meter
}

/** One request, at one instant. */
interface Asked {
  readonly holdings: readonly Holding[]
  /** The instant, as it is for each of them. */
  readonly moments: readonly Moment[]
  /** Where the tokens of each would come from. */
  readonly sources: readonly Source[]
  readonly cost: number
}

function sourcesOf(
  { desk, storeTime }: Limiting,
  holdings: readonly Holding[],
  cost: number,
  waitsFor?: ReadonlySet<Holding>,
): Asked {
  const now = storeTime.read()
  const moments = holdings.map(({ cells }) => momentFor(cells, now))
  const sources = holdings.map((holding, index) => {
    const waits = waitsFor?.has(holding) ?? false
    return desk.sourceOf(holding, { cost, waits, moment: moments[index] ?? now, isTimeKnown: now.isKnown })
  })
  return { holdings, moments, sources, cost }
}

function take(limiting: Limiting, limits: readonly Limit[], cost: number): Taking | Promise<Taking> {
  const { desk } = limiting
  const holdings = limits.map((limit) => desk.holdingOf(limit))
  const asked = sourcesOf(limiting, holdings, cost)
  const taking = conclude(limiting, asked, 'lease')
  for (const [index, moment] of asked.moments.entries()) {
    const holding = holdings[index]
    if (holding !== undefined) desk.keepUp(holding, moment)
  }
  return taking ?? takeFromStore(limiting, holdings, cost)
}

/** Spends from all or from none; undefined while the store must be asked. Waits for nothing, so nobody comes between. */
function conclude(limiting: Limiting, asked: Asked, leased: 'lease' | 'store'): Taking | undefined {
  const { holdings, moments, sources, cost } = asked
  const short = holdings[sources.indexOf('short')]
  if (short !== undefined) return refuse(limiting, holdings, short, cost)
  if (sources.includes('ask')) return undefined
  for (const [index, moment] of moments.entries()) {
    const [holding, isShare] = [holdings[index], sources[index] === 'share']
    if (holding === undefined) continue
    if (isShare) spendShare(holding, moment, cost)
    else spendLease(holding, moment, cost)
    limiting.meter.count('auth_api_limit_decisions_total', { result: 'granted', source: isShare ? 'local' : leased })
  }
  return { kind: 'taken', states: holdings.map((holding, index) => stateFrom(limiting, holding, moments[index])) }
}

async function takeFromStore(limiting: Limiting, holdings: readonly Holding[], cost: number): Promise<Taking> {
  const waitsFor = new Set<Holding>()
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const asked = sourcesOf(limiting, holdings, cost, waitsFor)
      const taking = conclude(limiting, asked, 'store')
      if (taking !== undefined) return taking
      const missing = holdings.filter((_, index) => asked.sources[index] === 'ask')
      for (const holding of missing) {
        if (!waitsFor.has(holding)) holding.waiting.push(cost)
        waitsFor.add(holding)
      }
      await Promise.all(missing.map((holding) => limiting.desk.ask(holding)))
    }
    return giveWay(limiting, holdings, cost)
  } finally {
    for (const { waiting } of waitsFor) waiting.splice(waiting.indexOf(cost), 1)
  }
}

function giveWay(limiting: Limiting, holdings: readonly Holding[], cost: number): Taking {
  const { sources } = sourcesOf(limiting, holdings, cost)
  const by = holdings[sources.findIndex((source) => source !== 'lease')] ?? holdings[0]
  if (by === undefined) return { kind: 'taken', states: [] }
  return { ...refuse(limiting, holdings, by, cost), retryAfterMs: GAVE_WAY_MS }
}

async function look(limiting: Limiting, limits: readonly Limit[], cost: number): Promise<Taking> {
  const { desk, storeTime } = limiting
  const holdings = limits.map((limit) => desk.holdingOf(limit))
  const old = holdings.filter(({ readAtMs }) => readAtMs < storeTime.now() - LOOK_MS)
  await Promise.all(old.map((holding) => desk.look(holding)))
  const states = holdings.map((holding) => stateFrom(limiting, holding))
  const short = holdings.find((_, index) => (states[index]?.remaining ?? 0) < cost)
  if (short !== undefined) return refuse(limiting, holdings, short, cost)
  return { kind: 'taken', states: states.map((state) => ({ ...state, remaining: state.remaining - cost })) }
}

type Refusal = Extract<Taking, { readonly kind: 'refused' }>

function refuse(limiting: Limiting, holdings: readonly Holding[], short: Holding, cost: number): Refusal {
  const { desk, storeTime, meter } = limiting
  meter.count('auth_api_limit_decisions_total', { result: 'refused', source: desk.isApart() ? 'local' : 'lease' })
  const { earlyMs } = momentFor(short.cells, storeTime.read())
  // The bounds of the time widen meanwhile.
  const retryAfterMs = Math.max(1, Math.ceil((retryAt(limiting, short, cost) - earlyMs) * 1.001))
  const states = holdings.map((holding) => stateFrom(limiting, holding))
  return { kind: 'refused', states, by: stateFrom(limiting, short), retryAfterMs }
}

function retryAt({ desk, storeTime }: Limiting, holding: Holding, cost: number): number {
  const { limit, cells, stored, share, leases, short } = holding
  const moment = momentFor(cells, storeTime.read())
  if (cost > limit.limit) return moment.earlyMs + cells.windowMs
  if (cells.behind === 0) return cells.endMs(cells.indexAt(moment.earlyMs))
  if (desk.isApart())
    return freedAt(cells, share.size === 0 ? cells.indexAt(moment.earlyMs) : Math.min(...share.keys()))
  const enough = limit.limit - cost + heldAt(leases, moment.lateMs)
  const freedMs = stored === undefined ? moment.earlyMs : freedTo(stored.record, cells, moment, enough)
  return Math.max(freedMs, Math.min(short?.untilMs ?? moment.earlyMs, moment.earlyMs + GAVE_WAY_MS))
}

function stateFrom(
  { desk, storeTime }: Limiting,
  holding: Holding,
  moment = momentFor(holding.cells, storeTime.read()),
): LimitState {
  const state = stateOf(holding, moment)
  if (!desk.isApart()) return state
  const remaining = shareLeft(holding, moment) + heldAt(holding.leases, moment.lateMs)
  return { ...state, remaining: Math.min(state.remaining, remaining) }
}
