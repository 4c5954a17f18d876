import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Provider } from '../../../../shared/domain/keys/provider.ts'
import { type Evidence, judge } from '../../../../shared/domain/keys/verdict.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

const now = new Date('2026-11-22T16:00:00.000Z')
const at = (ms: number) => new Date(now.getTime() + ms)
const dayMs = 86_400_000

const provider: Provider = {
  providerId: 'acme',
  name: null,
  status: 'active',
  failMode: 'open',
  rateLimits: [],
  quotas: { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null },
  createdAt: now,
  updatedAt: now,
  updatedBy: 'admin',
  lineage: null,
}

const sound: Evidence = {
  key: sampleKey({ environment: 'live', scopes: ['orders:*'], ipRestrictions: ['192.0.2.0/24'] }),
  provider,
  requirements: {
    environment: 'live',
    scopes: ['orders:read'],
    anyScopes: ['orders:write', 'admin'],
    clientIp: '192.0.2.7',
    dryRun: false,
  },
  now,
}

const withKey = (change: Partial<Evidence['key']>) => (evidence: Evidence) => ({
  ...evidence,
  key: { ...evidence.key, ...change },
})
const asking = (change: Partial<Evidence['requirements']>) => (evidence: Evidence) => ({
  ...evidence,
  requirements: { ...evidence.requirements, ...change },
})

/** In the order of the API contract: what fails each check, and nothing else. */
const faults = [
  ['revocation', 'REVOKED', withKey({ revocation: { at: now, by: 'admin', reason: 'policy', text: null } })],
  ['expiry', 'EXPIRED', withKey({ expiresAt: now })],
  ['not_before', 'NOT_YET_VALID', withKey({ notBefore: at(1) })],
  ['enabled', 'DISABLED', withKey({ enabled: false })],
  [
    'provider',
    'PROVIDER_DISABLED',
    (evidence: Evidence) => ({ ...evidence, provider: { ...provider, status: 'disabled' } }),
  ],
  ['environment', 'ENVIRONMENT_MISMATCH', asking({ environment: 'test' })],
  ['client_ip', 'IP_NOT_ALLOWED', asking({ clientIp: '192.0.3.7' })],
  ['scopes', 'INSUFFICIENT_SCOPE', asking({ scopes: ['users:read'] })],
] as const satisfies readonly (readonly [string, string, (evidence: Evidence) => Evidence])[]

const anyFaults = fc.subarray([...faults], { minLength: 1 })
const spoil = (spoilers: Iterable<(typeof faults)[number]>, evidence = sound) =>
  [...spoilers].reduce((result: Evidence, [, , fault]) => fault(result), evidence)
const resultsOf = (evidence: Evidence) => judge(evidence).checks.map(({ check, result }) => [check, result])

describe('a verdict', () => {
  test('is VALID when every check passes, and names all of them in order', () => {
    const { code, checks, missingScopes } = judge(sound)
    expect(code).toBe('VALID')
    expect(missingScopes).toEqual([])
    expect(checks).toEqual(
      [...faults.map(([check]) => check), 'rate_limits', 'quota'].map((check) => ({
        check,
        result: 'passed',
        detail: null,
      })),
    )
  })

  test('has the code of the first check that fails, whatever else is wrong', () => {
    fc.assert(fc.property(anyFaults, (spoilers) => judge(spoil(spoilers)).code === spoilers[0]?.[1]))
  })

  test('skips every check after the first failure', () => {
    fc.assert(
      fc.property(anyFaults, (spoilers) => {
        const first = faults.findIndex(([check]) => check === spoilers[0]?.[0])
        const expected = faults.map(([check], index) => [
          check,
          index < first ? 'passed' : index === first ? 'failed' : 'skipped',
        ])
        expect(resultsOf(spoil(spoilers))).toEqual([...expected, ['rate_limits', 'skipped'], ['quota', 'skipped']])
      }),
    )
  })

  test('runs every check in a dry run, with the same code, and says why each one failed', () => {
    fc.assert(
      fc.property(anyFaults, (spoilers) => {
        const evidence = spoil(spoilers)
        const dry = judge(asking({ dryRun: true })(evidence))
        expect(dry.code).toBe(judge(evidence).code)
        for (const { check, result, detail } of dry.checks) {
          const failed = spoilers.some(([name]) => name === check)
          expect([check, result, detail !== null]).toEqual([check, failed ? 'failed' : 'passed', failed])
        }
      }),
    )
  })
})

describe('scopes', () => {
  const missing = (change: Partial<Evidence['requirements']>) => judge(asking(change)(sound)).missingScopes

  test('that are missing are all named, and only when they are the reason', () => {
    expect(missing({ scopes: ['a', 'orders:read', 'b'] })).toEqual(['a', 'b'])
    expect(missing({ scopes: ['a'], environment: 'test' })).toEqual([])
  })

  test('of any_scopes one is enough, and all are named when none is granted', () => {
    expect(missing({ scopes: [], anyScopes: ['x', 'orders:read'] })).toEqual([])
    expect(missing({ scopes: ['x'], anyScopes: ['x', 'y'] })).toEqual(['x', 'y'])
  })
})

describe('a client address', () => {
  const codeOf = (clientIp: string | null, ipRestrictions: readonly string[]) =>
    judge(asking({ clientIp })(withKey({ ipRestrictions })(sound))).code

  test('is not required by a key without address rules', () => {
    expect(codeOf(null, [])).toBe('VALID')
    expect(codeOf('nonsense', [])).toBe('VALID')
  })

  test('that is missing or unreadable is refused by a key with address rules', () => {
    expect(codeOf(null, ['192.0.2.0/24'])).toBe('IP_NOT_ALLOWED')
    expect(codeOf('nonsense', ['192.0.2.0/24'])).toBe('IP_NOT_ALLOWED')
  })
})

describe('warnings', () => {
  const warningsOf = (change: Partial<Evidence['key']>) => judge(withKey(change)(sound)).warnings

  test.each([
    ['a key that never expires', {}, ['NEVER_EXPIRES']],
    ['a key with more than 7 days to go', { expiresAt: at(7 * dayMs + 1) }, []],
    ['a key with 7 days to go', { expiresAt: at(7 * dayMs) }, ['EXPIRES_SOON']],
    ['a rotated key with days to go', { graceUntil: at(dayMs) }, ['IN_GRACE', 'EXPIRES_SOON']],
    ['a rotated key with weeks to go', { graceUntil: at(30 * dayMs) }, ['IN_GRACE']],
  ] as const)('of %s', (_, change, expected) => {
    expect(warningsOf(change)).toEqual(expected)
  })

  test('are not given for a refused key', () => {
    expect(warningsOf({ enabled: false, expiresAt: at(1) })).toEqual([])
  })
})
