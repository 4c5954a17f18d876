import type { Limit, LimitState, LimitWindow, Taking } from '../domain/limit.ts'
import type { Clock } from '../ports.ts'
import type { Limiter } from '../ports-limits.ts'

interface Spending {
  readonly atMs: number
  readonly cost: number
}

interface LimiterNeeds {
  readonly clock: Clock
}

/** Holds limits within this instance alone, by a log of what was taken. */
export function limiter({ clock }: LimiterNeeds): Limiter {
  const logs = new Map<string, Spending[]>()

  function logOf(limit: Limit, nowMs: number): Spending[] {
    const key = `${limit.subject}|${limit.name}`
    const log = (logs.get(key) ?? []).filter(({ atMs }) => atMs > startMs(limit.window, nowMs))
    logs.set(key, log)
    return log
  }

  function stateOf(limit: Limit, nowMs: number, cost: number): LimitState {
    const log = logOf(limit, nowMs)
    const used = log.reduce((sum, spending) => sum + spending.cost, 0)
    const resetAtMs =
      limit.window.kind === 'sliding' ? resetOfLog(log, limit.window, nowMs) : endMs(limit.window, nowMs)
    return { limit, remaining: limit.limit - used - cost, resetAtMs }
  }

  function look(limits: readonly Limit[], cost: number): Taking {
    const nowMs = clock.now().getTime()
    const states = limits.map((limit) => stateOf(limit, nowMs, cost))
    const by = states.find(({ remaining }) => remaining < 0)
    if (by === undefined) return { kind: 'taken', states }
    const refused = (state: LimitState) => ({ ...state, remaining: Math.max(0, state.remaining + cost) })
    return { kind: 'refused', states: states.map(refused), by: refused(by), retryAfterMs: by.resetAtMs - nowMs }
  }

  return {
    take(limits, cost) {
      const taking = look(limits, cost)
      const atMs = clock.now().getTime()
      if (taking.kind === 'taken') for (const limit of limits) logOf(limit, atMs).push({ atMs, cost })
      return taking
    },
    look,
    isSpent: (limit) => stateOf(limit, clock.now().getTime(), 1).remaining < 0,
    release: () => Promise.resolve(),
    leases: () => 0,
  }
}

function startMs(window: LimitWindow, nowMs: number): number {
  const now = new Date(nowMs)
  if (window.kind === 'sliding') return nowMs - window.seconds * 1000
  if (window.kind === 'month') return Date.UTC(now.getUTCFullYear(), now.getUTCMonth()) - 1
  return nowMs - (nowMs % lengthMs(window)) - 1
}

function endMs(window: LimitWindow, nowMs: number): number {
  const now = new Date(nowMs)
  if (window.kind === 'month') return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)
  return nowMs - (nowMs % lengthMs(window)) + lengthMs(window)
}

function lengthMs(window: LimitWindow): number {
  return 'seconds' in window ? window.seconds * 1000 : 86_400_000
}

function resetOfLog(log: readonly Spending[], window: { readonly seconds: number }, nowMs: number): number {
  return (log[0]?.atMs ?? nowMs) + window.seconds * 1000
}
