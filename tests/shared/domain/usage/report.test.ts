import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addDeltas, countOf, keyName } from '../../../../shared/domain/usage/counters.ts'
import { endpointGroups, groupSums } from '../../../../shared/domain/usage/groups.ts'
import { decideTotals, sumProviderDay } from '../../../../shared/domain/usage/provider-totals.ts'
import type { UsageRange } from '../../../../shared/domain/usage/range.ts'
import { summarize } from '../../../../shared/domain/usage/report.ts'
import type { DayCounters, UsageDelta } from '../../../../shared/domain/usage/usage.ts'
import { usageDeltas } from '../../../support/samples/usage-arbitraries.ts'
import { sampleCounters, sampleDelta } from '../../../support/samples/usage-samples.ts'

const twoDays: UsageRange = {
  from: new Date('2026-11-21T00:00:00Z'),
  to: new Date('2026-11-23T00:00:00Z'),
  granularity: 'hour',
}

/** Rows as the store holds them: one per key and day. */
function rowsOf(deltas: readonly UsageDelta[]) {
  const byRow = Map.groupBy(deltas, (delta) => `${keyName(delta)}|${delta.hour.slice(0, 8)}`)
  return [...byRow.values()].flatMap((group) => addDeltas(() => undefined, group))
}

describe('a summary', () => {
  test('has a bucket for every hour, also without a use, each with exactly its uses', () => {
    const rows = rowsOf([
      sampleDelta({ hour: '2026112100', count: 2 }),
      sampleDelta({ hour: '2026112223', count: 3, outcome: 'EXPIRED' }),
    ])
    const { buckets } = summarize(twoDays, rows)
    expect(buckets).toHaveLength(48)
    expect(buckets[0]).toEqual({ start: new Date('2026-11-21T00:00:00Z'), total: 2, denied: 0 })
    expect(buckets[47]).toEqual({ start: new Date('2026-11-22T23:00:00Z'), total: 3, denied: 3 })
    expect(buckets.slice(1, 47).every(({ total, denied }) => total === 0 && denied === 0)).toBe(true)
  })

  test('of part of a day counts only its hours, and reports which whole days the breakdown covers', () => {
    const rows = rowsOf([sampleDelta({ hour: '2026112209', count: 4 }), sampleDelta({ hour: '2026112210', count: 5 })])
    const range: UsageRange = {
      from: new Date('2026-11-22T10:00:00Z'),
      to: new Date('2026-11-22T12:00:00Z'),
      granularity: 'hour',
    }
    const summary = summarize(range, rows)
    expect(summary.totals).toEqual({ total: 5, valid: 5, denied: 0 })
    expect(summary.byOutcome).toEqual({ VALID: 9 })
    expect(summary.breakdownFrom).toEqual(new Date('2026-11-22T00:00:00Z'))
    expect(summary.breakdownTo).toEqual(new Date('2026-11-23T00:00:00Z'))
  })

  test('leaves out days outside the range', () => {
    const rows = rowsOf([sampleDelta({ hour: '2026112023' }), sampleDelta({ hour: '2026112300' })])
    expect(summarize(twoDays, rows)).toMatchObject({ totals: { total: 0 }, byOutcome: {}, lastUsedAt: null })
  })

  test('loses and invents nothing: total, buckets and every breakdown sum up the same uses', () => {
    fc.assert(
      fc.property(fc.array(usageDeltas(), { maxLength: 40 }), fc.constantFrom('hour', 'day'), (deltas, granularity) => {
        const { totals, buckets, byOutcome, byStatus, byEndpoint } = summarize(
          { ...twoDays, granularity },
          rowsOf(deltas),
        )
        const count = countOf(deltas)
        expect(totals.total).toBe(count)
        expect(totals.denied).toBe(countOf(deltas.filter(({ outcome }) => outcome !== 'VALID')))
        expect(totals.valid + totals.denied).toBe(totals.total)
        expect(sum(buckets.map(({ total }) => total))).toBe(count)
        for (const counts of [byOutcome, byStatus, byEndpoint]) expect(sum(Object.values(counts))).toBe(count)
      }),
    )
  })
})

describe('groups', () => {
  test('add up to the summary, whatever they are grouped by', () => {
    fc.assert(
      fc.property(
        fc.array(usageDeltas(), { maxLength: 40 }),
        fc.constantFrom('key', 'owner', 'environment'),
        (deltas, grouping) => {
          const sums = groupSums(grouping, twoDays)
          for (const row of rowsOf(deltas)) sums.add(row)
          const { groups, other } = sums.result()
          expect(other).toBeNull()
          expect(sum(groups.map(({ total }) => total))).toBe(countOf(deltas))
          expect(new Set(groups.map(({ group }) => group)).size).toBe(groups.length)
        },
      ),
    )
  })

  test('are the 1,000 with the most uses, in descending order, and `other` is the rest', () => {
    const sums = groupSums('key', twoDays)
    for (let key = 1; key <= 1003; key++) {
      sums.add(sampleCounters([sampleDelta({ keyId: `key-${key}`, count: key })], 1))
    }
    const { groups, other } = sums.result()
    expect(groups).toHaveLength(1000)
    expect(groups[0]).toMatchObject({ group: 'key-1003', total: 1003 })
    expect(groups[999]).toMatchObject({ group: 'key-4', total: 4 })
    expect(other).toEqual({ groups: 3, total: 1 + 2 + 3 })
  })

  test('group keys without an owner under null', () => {
    const sums = groupSums('owner', twoDays)
    sums.add(sampleCounters([sampleDelta({ ownerId: null })], 1))
    expect(sums.result().groups).toMatchObject([{ group: null, total: 1 }])
  })

  test('by endpoint keep a name that objects reserve', () => {
    const counts = Object.fromEntries([
      ['__proto__', 2],
      ['', 1],
    ])
    expect(endpointGroups(counts).groups.map(({ group, total }) => [group, total])).toEqual([
      ['__proto__', 2],
      ['', 1],
    ])
  })
})

describe('the totals of a provider', () => {
  function totalOf(versions: readonly number[], rows: readonly DayCounters[]) {
    const day = sumProviderDay('acme', '20261122')
    for (const row of rows) day.add(row)
    return day.total(versions)
  }

  test('hold a bounded number of endpoint names, however many its keys have', () => {
    const rows = Array.from({ length: 500 }, (_, number) =>
      sampleCounters([sampleDelta({ endpoint: `/${number}`, count: number < 40 ? 1000 : 1 })], 1),
    )
    const { total, endpoints } = totalOf([1], rows)
    expect(Object.keys(endpoints).length).toBeLessThanOrEqual(51)
    expect(sum(Object.values(endpoints))).toBe(total)
    for (let number = 0; number < 40; number++) expect(endpoints[`/${number}`]).toBe(1000)
  })

  test('are the sum of its keys', () => {
    fc.assert(
      fc.property(fc.array(usageDeltas({ days: ['20261122'] }), { maxLength: 30 }), (deltas) => {
        const totals = totalOf([1], rowsOf(deltas))
        expect(totals.total).toBe(countOf(deltas))
        expect(sum(totals.hours)).toBe(totals.total)
        expect(sum(Object.values(totals.endpoints))).toBe(totals.total)
      }),
    )
  })

  test('are stored, kept or made again as their version vectors compare', () => {
    const totals = (versions: readonly number[]) => totalOf(versions, [])
    expect(decideTotals(totals([1, 1]), undefined)).toBe('store')
    expect(decideTotals(totals([2, 1]), totals([1, 1]))).toBe('store')
    expect(decideTotals(totals([1, 1]), totals([1, 1]))).toBe('keep')
    expect(decideTotals(totals([1, 1]), totals([1, 2]))).toBe('keep')
    expect(decideTotals(totals([2, 1]), totals([1, 2]))).toBe('again')
  })
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
