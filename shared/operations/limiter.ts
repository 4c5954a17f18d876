import type { Limit, LimitState, Taking } from '../domain/limit.ts'
import { freedAt } from '../domain/limit-cells.ts'
import { heldAt } from '../domain/limit-lease.ts'
import { freedTo } from '../domain/limit-record.ts'
import type { Clock, Log, Scheduler } from '../ports.ts'
import type { Limiter, LimitStore } from '../ports-limits.ts'
import type { Meter } from '../ports-observing.ts'
import { type LimitDesk, limitDesk, type Source } from './limit-desk.ts'
import { type Holding, shareLeft, spendLease, spendShare, stateOf } from './limit-holding.ts'
import { limitRefills } from './limit-refill.ts'
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
  const storeTime = storeClock({ tellTime: store.tellTime, clock, scheduler })
  const refills = limitRefills({ ...needs, storeTime })
  const desk = limitDesk({ refills, storeTime, scheduler, log, maxHoldings })
  const limiting: Limiting = { desk, storeTime, meter }

  function leases(): number {
    const nowMs = storeTime.now()
    return desk.all().filter((holding) => heldAt(holding.leases, nowMs) > 0).length
  }

  return {
    take: (limits, cost) => take(limiting, limits, cost),
    look: (limits, cost) => look(limiting, limits, cost),
    isSpent(limit) {
      const holding = desk.known(limit)
      return holding !== undefined && desk.sourceOf(holding, 1, false) === 'short'
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

function take(limiting: Limiting, limits: readonly Limit[], cost: number): Taking | Promise<Taking> {
  const { desk } = limiting
  const holdings = limits.map((limit) => desk.holdingOf(limit))
  const sources = holdings.map((holding) => desk.sourceOf(holding, cost, false))
  const taking = conclude(limiting, { holdings, sources, cost })
  for (const holding of holdings) desk.keepUp(holding)
  return taking ?? takeFromStore(limiting, holdings, cost)
}

interface Asked {
  readonly holdings: readonly Holding[]
  /** One per holding. */
  readonly sources: readonly Source[]
  readonly cost: number
}

/** Spends from all or from none; undefined while the store must be asked. Waits for nothing, so nobody comes between. */
function conclude(limiting: Limiting, asked: Asked, leased: 'lease' | 'store' = 'lease'): Taking | undefined {
  const { storeTime, meter } = limiting
  const { holdings, sources, cost } = asked
  const short = holdings[sources.indexOf('short')]
  if (short !== undefined) return refuse(limiting, holdings, short, cost)
  if (sources.includes('ask')) return undefined
  const nowMs = storeTime.now()
  for (const [index, holding] of holdings.entries()) {
    const isShare = sources[index] === 'share'
    if (isShare) spendShare(holding, nowMs, cost)
    else spendLease(holding, nowMs, cost)
    meter.count('auth_api_limit_decisions_total', { result: 'granted', source: isShare ? 'local' : leased })
  }
  return { kind: 'taken', states: holdings.map((holding) => stateFrom(limiting, holding)) }
}

async function takeFromStore(limiting: Limiting, holdings: readonly Holding[], cost: number): Promise<Taking> {
  const { desk } = limiting
  const waitsFor = new Set<Holding>()
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const sources = holdings.map((holding) => desk.sourceOf(holding, cost, waitsFor.has(holding)))
      const taking = conclude(limiting, { holdings, sources, cost }, 'store')
      if (taking !== undefined) return taking
      const missing = holdings.filter((_, index) => sources[index] === 'ask')
      for (const holding of missing) {
        if (!waitsFor.has(holding)) holding.waiting.push(cost)
        waitsFor.add(holding)
      }
      await Promise.all(missing.map((holding) => desk.ask(holding)))
    }
    return giveWay(limiting, holdings, cost)
  } finally {
    for (const { waiting } of waitsFor) waiting.splice(waiting.indexOf(cost), 1)
  }
}

function giveWay(limiting: Limiting, holdings: readonly Holding[], cost: number): Taking {
  const states = holdings.map((holding) => stateFrom(limiting, holding))
  const by = holdings.findIndex((holding) => limiting.desk.sourceOf(holding, cost, true) !== 'lease')
  const state = states[by] ?? states[0]
  if (state === undefined) return { kind: 'taken', states }
  limiting.meter.count('auth_api_limit_decisions_total', { result: 'refused', source: 'store' })
  return { kind: 'refused', states, by: state, retryAfterMs: GAVE_WAY_MS }
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

function refuse(limiting: Limiting, holdings: readonly Holding[], short: Holding, cost: number): Taking {
  const { desk, storeTime, meter } = limiting
  meter.count('auth_api_limit_decisions_total', { result: 'refused', source: desk.isApart() ? 'local' : 'lease' })
  const retryAfterMs = Math.max(1, retryAt(limiting, short, cost) - storeTime.now())
  const states = holdings.map((holding) => stateFrom(limiting, holding))
  return { kind: 'refused', states, by: stateFrom(limiting, short), retryAfterMs }
}

function retryAt({ desk, storeTime }: Limiting, holding: Holding, cost: number): number {
  const { limit, cells, stored, share, leases, short } = holding
  const nowMs = storeTime.now()
  if (cost > limit.limit) return nowMs + cells.windowMs
  if (cells.behind === 0) return cells.endMs(cells.indexAt(nowMs))
  if (desk.isApart()) return share.size === 0 ? nowMs + cells.windowMs : freedAt(cells, Math.min(...share.keys()))
  const enough = limit.limit - cost + heldAt(leases, nowMs)
  const freedMs = stored === undefined ? nowMs : freedTo(stored.record, cells, nowMs, enough)
  return Math.max(freedMs, Math.min(short?.untilMs ?? nowMs, nowMs + GAVE_WAY_MS))
}

function stateFrom({ desk, storeTime }: Limiting, holding: Holding): LimitState {
  const nowMs = storeTime.now()
  const state = stateOf(holding, nowMs)
  if (!desk.isApart()) return state
  return { ...state, remaining: Math.min(state.remaining, shareLeft(holding, nowMs) + heldAt(holding.leases, nowMs)) }
}
