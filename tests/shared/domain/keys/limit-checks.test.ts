import { describe, expect, test } from 'vitest'
import { type KeyLimit, limitsOf } from '../../../../shared/domain/keys/key-limits.ts'
import { applyLimits } from '../../../../shared/domain/keys/limit-checks.ts'
import { judge } from '../../../../shared/domain/keys/verdict.ts'
import type { Taking } from '../../../../shared/domain/limits/limit.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

const now = new Date('2026-11-22T16:00:00.000Z')
const burst = { name: 'burst', limit: 10, windowSeconds: 60, strategy: 'sliding_window' as const }
const key = sampleKey({ rateLimits: [burst], quota: { limit: 100, period: 'day' } })
const limits = limitsOf(key, undefined)

/** The limiter's answer with this much remaining of the rate limit and the quota; `by` names the limit that refuses. */
function takingOf(remaining: readonly [rate: number, quota: number], by?: KeyLimit['check']): Taking {
  const states = limits.map((limit, index) => ({ limit, remaining: remaining[index] ?? 0, resetAtMs: 1000 + index }))
  const refusing = states[by === 'quota' ? 1 : 0]
  if (by === undefined || refusing === undefined) return { kind: 'taken', states }
  return { kind: 'refused', states, by: { ...refusing }, at: states.indexOf(refusing), retryAfterMs: 700 }
}

function verdictWith(taking: Taking, { dryRun = false, environment = 'live' as 'live' | 'test', cost = 1 } = {}) {
  const requirements = { environment, scopes: [], anyScopes: [], clientIp: null, dryRun }
  const verdict = judge({ key, provider: undefined, now, requirements })
  return applyLimits(verdict, { limits, cost, taking, dryRun })
}
const lastTwo = ({ checks }: ReturnType<typeof verdictWith>) =>
  checks.slice(-2).map(({ check, result }) => [check, result])

describe('a use that its limits allow', () => {
  test('stays VALID, and shows the state of each', () => {
    const verdict = verdictWith(takingOf([9, 99]))
    expect(verdict.code).toBe('VALID')
    expect(verdict.exceeded).toBeNull()
    expect(verdict.limits.map(({ limit, remaining, resetAtMs }) => [limit.name, remaining, resetAtMs])).toEqual([
      ['burst', 9, 1000],
      ['requests_per_day', 99, 1001],
    ])
    expect(lastTwo(verdict)).toEqual([
      ['rate_limits', 'passed'],
      ['quota', 'passed'],
    ])
  })

  test.each([
    [[3, 21], []],
    [[2, 21], ['RATE_80']],
    [[3, 20], ['QUOTA_80']],
    [
      [0, 0],
      ['RATE_80', 'QUOTA_80'],
    ],
  ] as const)('with %j remaining warns from four fifths on: %j', (remaining, expected) => {
    expect(verdictWith(takingOf(remaining)).warnings).toEqual(['NEVER_EXPIRES', ...expected])
  })
})

describe('a use that a limit refuses', () => {
  test('is RATE_LIMITED by a rate limit, with the quota skipped', () => {
    const verdict = verdictWith(takingOf([0, 99], 'rate_limits'))
    expect(verdict.code).toBe('RATE_LIMITED')
    expect(verdict.exceeded).toMatchObject({ limit: { level: 'key', name: 'burst' }, retryAfterMs: 700 })
    expect(lastTwo(verdict)).toEqual([
      ['rate_limits', 'failed'],
      ['quota', 'skipped'],
    ])
    expect(verdict.checks.at(-2)?.detail).toBe('The limit burst of the key is reached.')
    expect(verdict.warnings).toEqual([])
  })

  test('is QUOTA_EXCEEDED by a quota, however little remains of the rate limit', () => {
    const verdict = verdictWith(takingOf([0, 0], 'quota'))
    expect(verdict.code).toBe('QUOTA_EXCEEDED')
    expect(verdict.exceeded).toMatchObject({ limit: { name: 'requests_per_day' }, resetAtMs: 1001 })
    expect(lastTwo(verdict)).toEqual([
      ['rate_limits', 'passed'],
      ['quota', 'failed'],
    ])
  })

  test('says in a dry run which other limit would refuse it too', () => {
    expect(lastTwo(verdictWith(takingOf([0, 4], 'rate_limits'), { dryRun: true, cost: 5 }))).toEqual([
      ['rate_limits', 'failed'],
      ['quota', 'failed'],
    ])
    expect(lastTwo(verdictWith(takingOf([0, 5], 'rate_limits'), { dryRun: true, cost: 5 }))).toEqual([
      ['rate_limits', 'failed'],
      ['quota', 'passed'],
    ])
  })

  test('keeps, in a dry run, the code of an earlier check', () => {
    const verdict = verdictWith(takingOf([0, 99], 'rate_limits'), { dryRun: true, environment: 'test' })
    expect(verdict.code).toBe('ENVIRONMENT_MISMATCH')
    expect(verdict.exceeded).toBeNull()
    expect(lastTwo(verdict)[0]).toEqual(['rate_limits', 'failed'])
  })
})
