import type { Taking } from '../limits/limit.ts'
import { type KeyLimit, type LimitStanding, limitBelow, limitCheckNames } from './key-limits.ts'
import type { CheckResult, Verdict, Warning } from './verdict.ts'

/** The limits of a key, the requested cost, and the limiter's answer. */
export interface LimitDecision {
  readonly limits: readonly KeyLimit[]
  readonly cost: number
  readonly taking: Taking
  /** Both checks ran, even after an earlier failure. */
  readonly dryRun: boolean
}

/** Decides the last two checks of the verdict. A refusal by a limit changes the code only of a VALID verdict. */
export function applyLimits(verdict: Verdict, decision: LimitDecision): Verdict {
  const standings = standingsOf(decision)
  const below = limitBelow(decision.limits, decision.cost)
  const refusing = below === undefined ? refusingStanding(standings, decision.taking) : standingOf(standings, below)
  const checks = [...verdict.checks.slice(0, -2), ...limitChecks(standings, refusing, decision)]
  if (verdict.code !== 'VALID') return { ...verdict, checks, limits: standings }
  if (refusing === undefined) {
    return { ...verdict, checks, limits: standings, warnings: [...verdict.warnings, ...warningsOf(standings)] }
  }
  return {
    ...verdict,
    ...{ checks, limits: standings, warnings: [] },
    code: below === undefined ? codeOf(refusing) : 'COST_EXCEEDS_LIMIT',
    exceeded: { ...refusing, retryAfterMs: below === undefined ? retryAfterOf(decision.taking) : undefined },
  }
}

function codeOf({ limit }: LimitStanding): 'QUOTA_EXCEEDED' | 'RATE_LIMITED' {
  return limit.check === 'quota' ? 'QUOTA_EXCEEDED' : 'RATE_LIMITED'
}

function retryAfterOf(taking: Taking): number {
  return taking.kind === 'taken' ? 0 : taking.retryAfterMs
}

function standingOf(standings: readonly LimitStanding[], limit: KeyLimit): LimitStanding {
  return standings.find((standing) => standing.limit === limit) ?? { limit, remaining: 0, resetAtMs: 0 }
}

function standingsOf({ limits, taking: { states } }: LimitDecision): readonly LimitStanding[] {
  return limits.flatMap((limit, index) => {
    const state = states[index]
    return state === undefined ? [] : [{ limit, remaining: state.remaining, resetAtMs: state.resetAtMs }]
  })
}

function refusingStanding(standings: readonly LimitStanding[], taking: Taking): LimitStanding | undefined {
  return taking.kind === 'taken' ? undefined : standings[taking.at]
}

function limitChecks(
  standings: readonly LimitStanding[],
  refusing: LimitStanding | undefined,
  { cost, dryRun }: LimitDecision,
): readonly CheckResult[] {
  if (refusing === undefined) return limitCheckNames.map((check) => ({ check, result: 'passed', detail: null }))
  const refusedAt = limitCheckNames.indexOf(refusing.limit.check)
  return limitCheckNames.map((check, index) => {
    if (index < refusedAt) return { check, result: 'passed', detail: null }
    if (index > refusedAt && !dryRun) return { check, result: 'skipped', detail: null }
    const lacks = (standing: LimitStanding) => standing.limit.check === check && standing.remaining < cost
    const failed = index === refusedAt ? refusing : standings.find(lacks)
    return failed === undefined
      ? { check, result: 'passed', detail: null }
      : { check, result: 'failed', detail: detailOf(failed, cost) }
  })
}

function detailOf({ limit: { name, level, limit } }: LimitStanding, cost: number): string {
  if (cost > limit) return `The cost of ${cost} is above the whole limit ${name} of the ${level}: ${limit}.`
  return `The limit ${name} of the ${level} is reached.`
}

/** Warns from 80 % on: a fifth of the limit or less remains. */
function warningsOf(standings: readonly LimitStanding[]): readonly Warning[] {
  const near = (check: KeyLimit['check']) =>
    standings.some(({ limit, remaining }) => limit.check === check && remaining * 5 <= limit.limit)
  return [...(near('rate_limits') ? ['RATE_80' as const] : []), ...(near('quota') ? ['QUOTA_80' as const] : [])]
}
