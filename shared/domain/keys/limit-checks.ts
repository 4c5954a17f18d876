import type { Taking } from '../limits/limit.ts'
import { type KeyLimit, type LimitStanding, limitCheckNames } from './key-limits.ts'
import type { CheckResult, Verdict, Warning } from './verdict.ts'

/** What was asked of the limits of a key, and what they said. */
export interface AskedLimits {
  readonly limits: readonly KeyLimit[]
  readonly cost: number
  readonly taking: Taking
  /** Both checks were run, whatever came before them. */
  readonly dryRun: boolean
}

/** The verdict with its last two checks as the limits decided them; a refusal gives the code where nothing else did. */
export function heldToLimits(verdict: Verdict, asked: AskedLimits): Verdict {
  const standings = standingsOf(asked)
  const refusing = refusingStanding(standings, asked.taking)
  const checks = [...verdict.checks.slice(0, -2), ...limitChecks(standings, refusing, asked)]
  if (verdict.code !== 'VALID') return { ...verdict, checks, limits: standings }
  if (refusing === undefined || asked.taking.kind === 'taken') {
    return { ...verdict, checks, limits: standings, warnings: [...verdict.warnings, ...warningsOf(standings)] }
  }
  return {
    ...verdict,
    ...{ checks, limits: standings, warnings: [] },
    code: refusing.limit.check === 'quota' ? 'QUOTA_EXCEEDED' : 'RATE_LIMITED',
    exceeded: { ...refusing, retryAfterMs: asked.taking.retryAfterMs },
  }
}

function standingsOf({ limits, taking: { states } }: AskedLimits): readonly LimitStanding[] {
  return limits.flatMap((limit, index) => {
    const state = states[index]
    return state === undefined ? [] : [{ limit, remaining: state.remaining, resetAtMs: state.resetAtMs }]
  })
}

function refusingStanding(standings: readonly LimitStanding[], taking: Taking): LimitStanding | undefined {
  if (taking.kind === 'taken') return undefined
  const { subject, name } = taking.by.limit
  return standings.find(({ limit }) => limit.subject === subject && limit.name === name)
}

function limitChecks(
  standings: readonly LimitStanding[],
  refusing: LimitStanding | undefined,
  { cost, dryRun }: AskedLimits,
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
      : { check, result: 'failed', detail: `The limit ${failed.limit.name} of the ${failed.limit.level} is reached.` }
  })
}

/** Four fifths are used: a fifth of the limit or less is left. */
function warningsOf(standings: readonly LimitStanding[]): readonly Warning[] {
  const near = (check: KeyLimit['check']) =>
    standings.some(({ limit, remaining }) => limit.check === check && remaining * 5 <= limit.limit)
  return [...(near('rate_limits') ? ['RATE_80' as const] : []), ...(near('quota') ? ['QUOTA_80' as const] : [])]
}
