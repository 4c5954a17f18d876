import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDeltas, countOf, keyName } from '../../../../shared/domain/usage/counters.ts'
import { ENDPOINT_NAMES_MAX, ENDPOINT_UNITS_MAX } from '../../../../shared/domain/usage/endpoint-names.ts'
import type { DayCounters, UsageDelta } from '../../../../shared/domain/usage/usage.ts'
import { usageDeltas } from '../../../support/samples/usage-arbitraries.ts'

const oneDay = fc.array(usageDeltas({ days: ['20261122'] }), { minLength: 1, maxLength: 30 })

/** Adds one group after another, each to the counters of the groups before it. */
function addInTurn(groups: readonly (readonly UsageDelta[])[]): readonly DayCounters[] {
  const counters = new Map<string, DayCounters>()
  for (const group of groups) {
    for (const row of addDeltas((name) => counters.get(name), group)) counters.set(keyName(row), row)
  }
  return [...counters.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
}

describe('adding deltas to counters', () => {
  test('gives the same counters in any order and any grouping', () => {
    fc.assert(
      fc.property(
        oneDay,
        fc.infiniteStream(fc.nat()),
        fc.infiniteStream(fc.integer({ min: 1, max: 5 })),
        (...given) => {
          const [deltas, ranks, sizes] = given
          const shuffled = deltas
            .map((delta) => ({ delta, rank: ranks.next().value ?? 0 }))
            .sort((a, b) => a.rank - b.rank)
          const groups: UsageDelta[][] = []
          while (shuffled.length > 0) groups.push(shuffled.splice(0, sizes.next().value ?? 1).map(({ delta }) => delta))
          expect(addInTurn(groups)).toEqual(addInTurn([deltas]))
        },
      ),
    )
  })

  test('gives the same counters for one delta of n uses as for n deltas of one use', () => {
    fc.assert(
      fc.property(usageDeltas({ days: ['20261122'] }), fc.integer({ min: 1, max: 20 }), (delta, count) => {
        const single = { ...delta, count: 1 }
        expect(addInTurn(new Array(count).fill([single]))).toEqual(addInTurn([[{ ...delta, count }]]))
      }),
    )
  })

  test('loses and invents nothing: every breakdown sums up to the total', () => {
    fc.assert(
      fc.property(oneDay, (deltas) => {
        const rows = addInTurn([deltas])
        expect(sum(rows.map((row) => row.total))).toBe(countOf(deltas))
        for (const row of rows) {
          expect(sum(row.hours)).toBe(row.total)
          expect(sum(Object.values(row.outcomes))).toBe(row.total)
          expect(sum(Object.values(row.statusClasses))).toBe(row.total)
          expect(sum(Object.values(row.endpoints))).toBe(row.total)
          expect(sum(row.deniedHours)).toBe(row.total - (row.outcomes.VALID ?? 0))
        }
      }),
    )
  })

  test('keeps the counters that a key had, also in hours that no delta touches', () => {
    const [before] = addDeltas(() => undefined, [sample({ hour: '2026112203', count: 5 })])
    const [after] = addDeltas(() => before, [sample({ hour: '2026112204', outcome: 'REVOKED', count: 2 })])
    expect(after?.hours.slice(3, 5)).toEqual([5, 2])
    expect(after?.deniedHours.slice(3, 5)).toEqual([0, 2])
    expect(after?.total).toBe(7)
  })

  test('bounds the endpoints by number and by length, keeps the busiest, and sums the rest under `other`', () => {
    const endpoints = fc.string({ maxLength: 255 })
    fc.assert(
      fc.property(
        fc.array(usageDeltas({ days: ['20261122'], keyIds: ['k'], endpoints }), { minLength: 120 }),
        (many) => {
          const deltas = many.map((delta) => ({ ...delta, providerId: 'acme' }))
          const [row] = addDeltas(() => undefined, deltas)
          const { other = 0, ...names } = row?.endpoints ?? {}
          expect(Object.keys(names).length).toBeLessThanOrEqual(ENDPOINT_NAMES_MAX)
          expect(Object.keys(names).join('').length).toBeLessThanOrEqual(ENDPOINT_UNITS_MAX)
          expect(sum(Object.values(names)) + other).toBe(countOf(deltas))
        },
      ),
      { numRuns: 30 },
    )
    const busy = Array.from({ length: 60 }, (_, index) => sample({ endpoint: `/e${index}`, count: index + 1 }))
    const [row] = addDeltas(() => undefined, busy)
    expect(row?.endpoints['/e59']).toBe(60)
    expect(row?.endpoints['/e9']).toBeUndefined()
    expect(row?.endpoints.other).toBe(55)
  })

  test('stores owner and address of the latest use', () => {
    const late = sample({ lastUsedAt: '2026-11-22T10:00:09.000Z', ownerId: 'new', lastIpHash: 'ff' })
    const [row] = addDeltas(() => undefined, [late, sample({ ownerId: 'old', lastIpHash: 'aa' })])
    expect(row).toMatchObject({ ownerId: 'new', lastIpHash: 'ff', lastUsedAt: '2026-11-22T10:00:09.000Z' })
  })
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function sample(part: Partial<UsageDelta>): UsageDelta {
  return {
    providerId: 'acme',
    keyId: 'key-a',
    ownerId: null,
    environment: 'live',
    hour: '2026112210',
    outcome: 'VALID',
    endpoint: '/orders',
    statusClass: '2xx',
    count: 1,
    lastUsedAt: '2026-11-22T10:00:00.000Z',
    lastIpHash: null,
    lastIp: null,
    ...part,
  }
}
