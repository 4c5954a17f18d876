import fc from 'fast-check'
import type { UsageOutcome } from '../../../shared/domain/keys/verdict.ts'
import type { StatusClass, UsageDelta } from '../../../shared/domain/usage/usage.ts'

const outcomes: readonly UsageOutcome[] = ['VALID', 'REVOKED', 'EXPIRED', 'RATE_LIMITED', 'INSUFFICIENT_SCOPE']
const statusClasses: readonly StatusClass[] = ['2xx', '4xx', '5xx']
const hours = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0'))

/** Names that break careless code: empty, inherited by every object, like an index, the name for all other names. */
const awkwardNames = ['', '__proto__', 'constructor', '7', 'other', '"\\\n', 'é😀', '\ud800']

interface DeltaOptions {
  readonly days?: readonly string[]
  readonly keyIds?: readonly string[]
  readonly endpoints?: fc.Arbitrary<string>
}

/** Deltas over few keys, days and names, so that they collide. */
export function usageDeltas(options: DeltaOptions = {}): fc.Arbitrary<UsageDelta> {
  const { days = ['20261121', '20261122'], keyIds = ['key-a', 'key-b', 'key-c'] } = options
  const deltas = fc.record({
    providerId: fc.constantFrom('acme', 'globex'),
    keyId: fc.constantFrom(...keyIds),
    ownerId: fc.constantFrom(null, 'ann', 'bob'),
    environment: fc.constant('live' as const),
    hour: fc.tuple(fc.constantFrom(...days), fc.constantFrom(...hours)).map(([day, hour]) => day + hour),
    outcome: fc.constantFrom(...outcomes),
    endpoint: options.endpoints ?? fc.oneof(fc.constantFrom(...awkwardNames), fc.string({ maxLength: 8 })),
    statusClass: fc.constantFrom(...statusClasses),
    count: fc.integer({ min: 1, max: 1_000_000 }),
    lastUsedAt: fc.integer({ min: 0, max: 5 }).map((second) => `2026-11-22T10:00:0${second}.000Z`),
    lastIpHash: fc.constantFrom(null, 'aa', 'bb'),
    lastIp: fc.constantFrom(null, '192.0.2.7', '2001:db8::7'),
  })
  return deltas.map((delta) => (delta.outcome === 'REVOKED' ? delta : { ...delta, lastIp: null }))
}
