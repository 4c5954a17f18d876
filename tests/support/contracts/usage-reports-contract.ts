import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type OneProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import { sumProviderDay } from '../../../shared/domain/usage/provider-totals.ts'
import type { ScannedCounters } from '../../../shared/ports/usage.ts'
import type { RollUpMarks, UsageCopies, UsageReports } from '../../../shared/ports/usage-reports.ts'
import { sampleProviderId } from '../samples/sample-keys.ts'
import { usageDeltas } from '../samples/usage-arbitraries.ts'
import { keyInShard, sampleCounters, sampleDelta } from '../samples/usage-samples.ts'

type Reports = UsageReports & UsageCopies

const noon = { first: '20261122', last: '20261122' }

/** The contract of every UsageReports with its UsageCopies. */
export function usageReportsContract(name: string, makeReports: () => Reports): void {
  describe(`${name} for the copies of key days`, () => keepingKeyDays(makeReports))
  describe(`${name} for the totals of providers`, () => keepingTotals(makeReports))
  describe(`${name} for last uses`, () => keepingLastUses(makeReports))
}

function fresh(makeReports: () => Reports): { reports: Reports; scope: OneProvider; providerId: string } {
  const providerId = sampleProviderId()
  return { reports: makeReports(), scope: oneProvider(providerId), providerId }
}

function withoutVersion({ version: _, ...counters }: ScannedCounters) {
  return { ...counters, lastIpHash: null }
}

function keepingKeyDays(makeReports: () => Reports): void {
  test('any counters come back as they went in, except the hash of the last address', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    let version = 0
    const sameKey = fc.array(usageDeltas({ days: ['20261122'], keyIds: ['key-a'] }), { minLength: 1, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(sameKey, async (deltas) => {
        const copy = sampleCounters(
          deltas.map((delta) => ({ ...delta, providerId })),
          ++version,
        )
        await reports.putKeyDays(scope, [copy])
        expect(await reports.keyDays(scope, 'key-a', noon)).toEqual([withoutVersion(copy)])
      }),
      { numRuns: 30 },
    )
  })

  test('a copy of the same or an earlier commit changes nothing', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    const copy = sampleCounters([sampleDelta({ providerId, keyId: 'key-a', count: 5 })], 7)
    await reports.putKeyDays(scope, [copy])
    for (const version of [6, 7]) {
      await reports.putKeyDays(scope, [
        sampleCounters([sampleDelta({ providerId, keyId: 'key-a', count: 4 })], version),
      ])
    }
    expect(await reports.keyDays(scope, 'key-a', noon)).toEqual([withoutVersion(copy)])
  })

  test('of many concurrent writers the latest commit wins', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    const copyOf = (count: number) => sampleCounters([sampleDelta({ providerId, keyId: 'key-a', count })], count)
    const counts = [3, 8, 1, 6, 2, 7, 4, 5]
    await Promise.all(counts.map((count) => reports.putKeyDays(scope, [copyOf(count)])))
    expect(await reports.keyDays(scope, 'key-a', noon)).toMatchObject([{ total: 8 }])
  })

  test('more copies than a transaction holds are all stored', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    const copies = Array.from({ length: 75 }, (_, number) =>
      sampleCounters([sampleDelta({ providerId, keyId: keyInShard('03', number) })], 1),
    )
    await reports.putKeyDays(scope, copies)
    const kept = await Array.fromAsync(reports.allKeyDays(scope, noon))
    expect(kept.map(({ keyId }) => keyId).sort()).toEqual(copies.map(({ keyId }) => keyId).sort())
  })

  test('a span returns its days of its key and provider, including first and last', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    const days = ['20261031', '20261101', '20261115', '20261130', '20261201']
    for (const day of days) {
      for (const keyId of ['key-a', 'key-ab']) {
        await reports.putKeyDays(scope, [sampleCounters([sampleDelta({ providerId, keyId, hour: `${day}10` })], 1)])
      }
    }
    const november = { first: '20261101', last: '20261130' }
    const found = await reports.keyDays(scope, 'key-a', november)
    expect(found.map(({ keyId, day }) => `${keyId} ${day}`).sort()).toEqual([
      'key-a 20261101',
      'key-a 20261115',
      'key-a 20261130',
    ])
    expect(await Array.fromAsync(reports.allKeyDays(scope, november))).toHaveLength(6)
    expect(await reports.keyDays(oneProvider('other'), 'key-a', november)).toEqual([])
    expect(await Array.fromAsync(reports.allKeyDays(oneProvider('other'), november))).toEqual([])
  })
}

function keepingTotals(makeReports: () => Reports): void {
  const totalsOf = (providerId: string, day: string, count: number) => {
    const sum = sumProviderDay(providerId, day)
    sum.add(sampleCounters([sampleDelta({ providerId, hour: `${day}10`, count })], 1))
    return sum.total([count, 0, 7])
  }

  test('come back as they went in, and are not listed as key days', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    const totals = totalsOf(providerId, '20261122', 5)
    expect(await reports.findTotals(scope, '20261122')).toBeUndefined()
    expect(await reports.putTotals(scope, totals, null)).toBe('stored')
    expect((await reports.findTotals(scope, '20261122'))?.value).toEqual(totals)
    expect(await reports.totals(scope, noon)).toEqual([totals])
    expect(await Array.fromAsync(reports.allKeyDays(scope, noon))).toEqual([])
  })

  test('are replaced only at the current version', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    await reports.putTotals(scope, totalsOf(providerId, '20261122', 1), null)
    const version = (await reports.findTotals(scope, '20261122'))?.version ?? null
    expect(await reports.putTotals(scope, totalsOf(providerId, '20261122', 2), null)).toBe('stale')
    expect(await reports.putTotals(scope, totalsOf(providerId, '20261122', 3), version)).toBe('stored')
    expect(await reports.putTotals(scope, totalsOf(providerId, '20261122', 4), version)).toBe('stale')
    expect(await reports.totals(scope, noon)).toMatchObject([{ total: 3 }])
  })

  test('of a span are those of its days', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    for (const day of ['20261120', '20261121', '20261122']) {
      await reports.putTotals(scope, totalsOf(providerId, day, 1), null)
    }
    const found = await reports.totals(scope, { first: '20261121', last: '20261122' })
    expect(found.map(({ day }) => day).sort()).toEqual(['20261121', '20261122'])
    expect(await reports.totals(oneProvider('other'), noon)).toEqual([])
  })
}

function keepingLastUses(makeReports: () => Reports): void {
  test('are the latest of all copies, and never move back', async () => {
    const { reports, providerId, scope } = fresh(makeReports)
    const use = (hour: string) => sampleCounters([sampleDelta({ providerId, keyId: 'key-a', hour })], 1)
    for (const hour of ['2026112110', '2026112214', '2026112009']) await reports.putKeyDays(scope, [use(hour)])
    expect(await reports.lastUsed(scope, ['key-a', 'key-b'])).toEqual(new Map([['key-a', '2026-11-22T14:30:00.000Z']]))
    expect(await reports.lastUsed(oneProvider('other'), ['key-a'])).toEqual(new Map())
  })
}

/** The contract of every RollUpMarks. */
export function rollUpMarksContract(name: string, makeMarks: () => RollUpMarks): void {
  describe(`${name} for the marks of the roll-up`, () => {
    test('a mark is 0 at first, then the last value written, separately for each partition', async () => {
      const marks = makeMarks()
      const [here, there] = [
        { day: '20261122', shard: '00' },
        { day: '20261122', shard: '01' },
      ]
      expect(await marks.read(here)).toBe(0)
      await marks.write(here, 3)
      await marks.write(here, 5)
      expect([await marks.read(here), await marks.read(there)]).toEqual([5, 0])
    })

    test('a day that was asked for again since is still asked for after it was copied', async () => {
      const marks = makeMarks()
      for (const day of ['20261101', '20261102', '20261101']) await marks.request(day)
      const requested = await marks.requested()
      expect(requested.map(({ day }) => day).sort()).toEqual(['20261101', '20261102'])
      await marks.request('20261102')
      for (const request of requested) await marks.fulfil(request)
      const left = await marks.requested()
      expect(left.map(({ day }) => day)).toEqual(['20261102'])
      for (const request of left) await marks.fulfil(request)
      expect(await marks.requested()).toEqual([])
    })
  })
}
