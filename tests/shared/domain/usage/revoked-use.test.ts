import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDeltas, keyName } from '../../../../shared/domain/usage/counters.ts'
import { evidentIp, sumRevokedUses } from '../../../../shared/domain/usage/revoked-use.ts'
import type { UsageDelta } from '../../../../shared/domain/usage/usage.ts'
import { usageDeltas } from '../../../support/samples/usage-arbitraries.ts'
import { sampleDelta } from '../../../support/samples/usage-samples.ts'

const oneKey = usageDeltas({ keyIds: ['key-a'] }).map((delta) => ({ ...delta, providerId: 'acme' }))

/** One row per day, as the store holds them. */
function daysOf(deltas: readonly UsageDelta[]) {
  const days = Map.groupBy(deltas, (delta) => `${keyName(delta)}|${delta.hour.slice(0, 8)}`)
  return [...days.values()].flatMap((group) => addDeltas(() => undefined, group))
}

describe('uses after a revocation', () => {
  test('are the uses that were refused as REVOKED, and the latest of them is reported', () => {
    fc.assert(
      fc.property(fc.array(oneKey, { maxLength: 30 }), (deltas) => {
        const revoked = deltas.filter(({ outcome }) => outcome === 'REVOKED')
        const sum = sumRevokedUses(daysOf(deltas))
        expect(sum?.count ?? 0).toBe(revoked.reduce((count, delta) => count + delta.count, 0))
        if (sum === null) return
        const latest = revoked
          .map(({ lastUsedAt }) => lastUsedAt)
          .sort()
          .at(-1)
        expect(sum.last.at).toBe(latest)
        expect(revoked).toContainEqual(
          expect.objectContaining({ lastUsedAt: latest, endpoint: sum.last.endpoint, lastIp: sum.last.clientIp }),
        )
      }),
    )
  })

  test('give the same sum in any order of days', () => {
    fc.assert(
      fc.property(fc.array(oneKey, { maxLength: 20 }), (deltas) => {
        const days = daysOf(deltas)
        expect(sumRevokedUses(days.toReversed())).toEqual(sumRevokedUses(days))
      }),
    )
  })

  test('are not replaced by a later use with another outcome', () => {
    const [day] = addDeltas(
      () => undefined,
      [
        sampleDelta({ outcome: 'REVOKED', lastIp: '192.0.2.7', lastUsedAt: '2026-11-22T10:00:00.000Z' }),
        sampleDelta({ outcome: 'VALID', lastUsedAt: '2026-11-22T10:00:01.000Z' }),
      ],
    )
    expect(day?.lastRevokedUse).toEqual({ at: '2026-11-22T10:00:00.000Z', endpoint: '/orders', clientIp: '192.0.2.7' })
  })
})

describe('the address that is stored as evidence', () => {
  test.each([
    ['REVOKED', '192.0.2.7', '192.0.2.7'],
    ['REVOKED', '[2001:DB8::7]:443', '2001:db8::7'],
    ['REVOKED', '::ffff:192.0.2.7', '192.0.2.7'],
    ['REVOKED', 'permas_live_0123456789', null],
    ['REVOKED', null, null],
    ['VALID', '192.0.2.7', null],
    ['EXPIRED', '192.0.2.7', null],
  ] as const)('of a use that was %s from %s is %s', (outcome, clientIp, evidence) => {
    expect(evidentIp(outcome, clientIp)).toBe(evidence)
  })
})
