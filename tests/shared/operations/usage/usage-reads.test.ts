import { describe, expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { UsageGrouping } from '../../../../shared/domain/usage/groups.ts'
import type { RangeRequest } from '../../../../shared/domain/usage/range.ts'
import { readKeyUsage } from '../../../../shared/operations/usage/read-key-usage.ts'
import { readProviderUsage } from '../../../../shared/operations/usage/read-provider-usage.ts'
import { keyInShard, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { usageReportingWorld } from '../../../support/worlds/usage-reporting-world.ts'

const acme = oneProvider('acme')
const always: RangeRequest = { from: null, to: null, granularity: 'day' }

describe('the usage of a key', () => {
  test('shows what was counted a moment ago, before any roll-up', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    await world.count(sampleDelta({ keyId, count: 3 }), sampleDelta({ keyId, hour: '2026112123', outcome: 'EXPIRED' }))
    const usage = await readKeyUsage(world, acme, keyId, always)
    expect(usage.totals).toEqual({ total: 4, valid: 3, denied: 1 })
    expect(usage.byOutcome).toEqual({ VALID: 3, EXPIRED: 1 })
    expect(usage.lastUsedAt).toBe('2026-11-22T10:30:00.000Z')
    expect(usage.buckets.filter(({ total }) => total > 0)).toHaveLength(2)
  })

  test('replaces copies by live days, and counts nothing twice', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    await world.count(sampleDelta({ keyId, count: 3 }))
    await world.rollUp()
    await world.count(sampleDelta({ keyId, count: 4 }))
    expect((await readKeyUsage(world, acme, keyId, always)).totals.total).toBe(7)
  })

  test('reads older days from their copies', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    await world.count(sampleDelta({ keyId, hour: '2026112010', count: 5 }))
    expect((await readKeyUsage(world, acme, keyId, always)).totals.total).toBe(0)
    await world.time.advance(40 * 60_000)
    await world.rollUp()
    expect((await readKeyUsage(world, acme, keyId, always)).totals.total).toBe(5)
  })

  test('reports the last use even when it lies outside the range', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    await world.count(sampleDelta({ keyId, hour: '2026112210' }))
    const edge = { at: new Date('2026-11-01'), wholeDay: true }
    const usage = await readKeyUsage(world, acme, keyId, { from: edge, to: edge, granularity: 'day' })
    expect(usage).toMatchObject({ totals: { total: 0 }, lastUsedAt: '2026-11-22T10:30:00.000Z' })
  })

  test('of an unused key is zero in every bucket, without a last use', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const usage = await readKeyUsage(world, acme, keyId, always)
    expect(usage.buckets).toHaveLength(30)
    expect(usage).toMatchObject({ totals: { total: 0, valid: 0, denied: 0 }, lastUsedAt: null })
  })

  test('of another provider’s key is refused exactly like that of a missing key', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey({ providerId: 'globex' })
    const refusal = (id: string) =>
      readKeyUsage(world, acme, id, always).catch((error: Error & { code: string }) => [error.code, error.message])
    expect(await refusal(keyId)).toEqual(await refusal(keyInShard('00')))
    expect(await refusal(keyId)).toMatchObject(['key_not_found', expect.any(String)])
    expect((await readKeyUsage(world, everyProvider, keyId, always)).providerId).toBe('globex')
  })
})

describe('the usage of a provider', () => {
  async function used() {
    const world = usageReportingWorld()
    await world.count(
      sampleDelta({ keyId: keyInShard('00'), ownerId: 'ann', count: 1, endpoint: '/a' }),
      sampleDelta({ keyId: keyInShard('05'), ownerId: 'bob', count: 20, endpoint: '/b', outcome: 'REVOKED' }),
      sampleDelta({ keyId: keyInShard('15'), ownerId: 'ann', count: 300, endpoint: '/a', environment: 'test' }),
      sampleDelta({ keyId: keyInShard('07'), providerId: 'globex', count: 4000 }),
      sampleDelta({ keyId: keyInShard('00'), ownerId: 'ann', count: 50_000, endpoint: '/a', hour: '2026112109' }),
    )
    await world.rollUp()
    return world
  }

  const groupsOf = async (grouping: UsageGrouping, request = always) =>
    (await readProviderUsage(await used(), acme, grouping, request)).grouped?.groups.map(({ group, total }) => [
      group,
      total,
    ])

  test('is that of all its keys, from one row a day', async () => {
    const usage = await readProviderUsage(await used(), acme, null, always)
    expect(usage).toMatchObject({
      totals: { total: 50_321, valid: 50_301, denied: 20 },
      byEndpoint: { '/a': 50_301, '/b': 20 },
      lastUsedAt: '2026-11-22T10:30:00.000Z',
      grouped: null,
    })
    expect(usage.buckets.slice(-2).map(({ total }) => total)).toEqual([50_000, 321])
  })

  test('is grouped by key, owner, environment and endpoint, the busiest first', async () => {
    expect(await groupsOf('key')).toEqual([
      [keyInShard('00'), 50_001],
      [keyInShard('15'), 300],
      [keyInShard('05'), 20],
    ])
    expect(await groupsOf('owner')).toEqual([
      ['ann', 50_301],
      ['bob', 20],
    ])
    expect(await groupsOf('environment')).toEqual([
      ['live', 50_021],
      ['test', 300],
    ])
    expect(await groupsOf('endpoint')).toEqual([
      ['/a', 50_301],
      ['/b', 20],
    ])
  })

  test('is grouped within the range only', async () => {
    const today = { at: new Date('2026-11-22'), wholeDay: true }
    expect(await groupsOf('owner', { from: today, to: today, granularity: 'hour' })).toEqual([
      ['ann', 301],
      ['bob', 20],
    ])
  })

  test('makes one query for its groups, however many keys there are', async () => {
    const world = await used()
    const asked: string[] = []
    const reports = new Proxy(world.reports, {
      get: (target, name) => {
        asked.push(String(name))
        return Reflect.get(target, name)
      },
    })
    await readProviderUsage({ reports, clock: world.clock }, acme, 'key', always)
    expect(asked.sort()).toEqual(['allKeyDays', 'totals'])
  })
})

describe('the roll-up', () => {
  test('reads only marks and fences when nothing was counted', async () => {
    const world = usageReportingWorld()
    await world.count(sampleDelta())
    await world.rollUp()
    const scanned: string[] = []
    const { scanCounters } = world.ledger
    world.ledger.scanCounters = (partition) => {
      scanned.push(partition.day)
      return scanCounters(partition)
    }
    await world.rollUp()
    expect(scanned).toEqual([])
    await world.count(sampleDelta())
    await world.rollUp()
    expect(new Set(scanned)).toEqual(new Set(['20261122']))
  })

  test('reads yesterday in every run, and every open day in the first minute of an hour', async () => {
    const world = usageReportingWorld()
    const hours = ['2026112110', '2026112010', '2026101810', '2026101710']
    await world.count(...hours.map((hour) => sampleDelta({ hour })))
    const copied = async () => {
      await world.rollUp()
      return world.reports
        .held()
        .totals.map(({ day }) => day)
        .sort()
    }
    expect(await copied()).toEqual(['20261121'])
    await world.time.advance(40 * 60_000)
    expect(await copied()).toEqual(['20261018', '20261120', '20261121'])
  })

  test('lets a key’s last use be read without a scan', async () => {
    const world = usageReportingWorld()
    await world.count(sampleDelta({ hour: '2026112210' }), sampleDelta({ hour: '2026112115' }))
    await world.rollUp()
    expect(await world.reports.lastUsed(acme, [keyInShard('00')])).toEqual(
      new Map([[keyInShard('00'), '2026-11-22T10:30:00.000Z']]),
    )
  })
})
