import { beforeEach, describe, expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import { addDeltas } from '../../../../shared/domain/usage/counters.ts'
import { shardOf } from '../../../../shared/domain/usage/partition.ts'
import type { UsageDelta } from '../../../../shared/domain/usage/usage.ts'
import { eraseUsage } from '../../../../shared/operations/usage/erase-usage.ts'
import { replayPoison } from '../../../../shared/operations/usage/replay-poison.ts'
import { rollUpUsage } from '../../../../shared/operations/usage/roll-up-usage.ts'
import { setAside } from '../../../../shared/operations/usage/set-aside.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { countInto, keyInShard } from '../../../support/samples/usage-samples.ts'
import { sampleBatch } from '../../../support/worlds/consumer-under-test.ts'
import {
  completeErasure,
  countsOf,
  drainUsage,
  type ErasureStores,
  erasedTexts,
  evidence,
  requestErasure,
  seedErasure,
  textsLeftOf,
  today,
  useOf,
} from '../../../support/worlds/erasure-world.ts'

let services: FakeServices
let stores: ErasureStores
let key: Key
let other: Key

beforeEach(async () => {
  services = fakeServices()
  stores = { ...services, ...services.erasing }
  const dated = { providerId: 'acme', createdAt: new Date('2026-10-20T10:00:00.000Z'), ownerId: 'ann@example.com' }
  const texts = { ...dated, name: 'Phone of Ann', ipRestrictions: ['192.0.2.7'] }
  key = sampleKey({ ...texts, keyId: keyInShard('03') })
  other = sampleKey({ ...texts, keyId: keyInShard('03', 1) })
  await seedErasure(stores, key, other)
})

const settle = () => services.time.advance(16 * 60_000)
const erase = async () => {
  await requestErasure(stores, key)
  await completeErasure(stores, settle)
}
const pseudonym = async () => (await services.keys.findById(everyProvider, key.keyId))?.value.ownerId

/** Counts a message as the consumer does. */
async function consume(...deltas: readonly UsageDelta[]): Promise<void> {
  await services.queue.send(services.codec.encode(sampleBatch(deltas)))
  await drainUsage(services)
}

const countersOn = async (day: string, { keyId } = key) =>
  (await services.ledger.readCounters({ day, shard: shardOf(keyId) }, [{ providerId: 'acme', keyId }]))[0]

describe('the erasure of usage data', () => {
  test('leaves no owner, earlier owner or address of the key, and every count; another key keeps all', async () => {
    const before = [await countsOf(stores, key), await countsOf(stores, other)]
    const othersTexts = await textsLeftOf(stores, other)
    expect(await textsLeftOf(stores, key)).toEqual(erasedTexts)
    await erase()
    expect(await textsLeftOf(stores, key)).toEqual([])
    expect(await textsLeftOf(stores, other)).toEqual(othersTexts)
    expect([await countsOf(stores, key), await countsOf(stores, other)]).toEqual(before)
  })

  test('is done at once but for what was under way, and complete a quarter of an hour later', async () => {
    await requestErasure(stores, key)
    expect(await eraseUsage(stores, 60)).toMatchObject({ completed: 0 })
    expect(await textsLeftOf(stores, key)).toEqual([])
    await services.time.advance(14 * 60_000)
    expect(await eraseUsage(stores, 60)).toMatchObject({ steps: 0 })
    await services.time.advance(2 * 60_000)
    expect(await eraseUsage(stores, 60)).toMatchObject({ changed: 0, completed: 1 })
    expect(services.erasures.held()).toEqual([])
  })

  test('has different pseudonyms for the owners that the key had', async () => {
    await erase()
    const owners = await Promise.all(['20261015', '20261101'].map(async (day) => (await countersOn(day))?.ownerId))
    expect(owners[1]).toBe(await pseudonym())
    expect(new Set(owners).size).toBe(2)
  })

  test('that is out of time goes on where it stopped', async () => {
    await requestErasure(stores, key)
    const steps: number[] = []
    const slow = { ...stores, clock: { ...services.clock, monotonicMs: () => steps.push(0) * 1000 } }
    for (let runs = 0; services.erasures.held()[0]?.pass !== null || runs === 0; runs++) {
      expect((await eraseUsage(slow, 2)).steps).toBeLessThanOrEqual(2)
      expect(runs).toBeLessThan(20)
    }
    expect(await textsLeftOf(stores, key)).toEqual([])
  })

  test('logs an error where it is not complete after a day', async () => {
    const lines: string[] = []
    await requestErasure(stores, key)
    await services.time.advance(25 * 3_600_000)
    await eraseUsage({ ...stores, log: (level, message) => void lines.push(`${level}: ${message}`) }, 0)
    expect(lines).toEqual(['error: An erasure is not complete after a day.'])
  })
})

describe('a use that is counted after the erasure', () => {
  const noOwnerNoAddress = async (day: string, total: number) => {
    const counters = await countersOn(day)
    expect(counters).toMatchObject({ total, ownerId: await pseudonym(), lastIpHash: null })
    expect(counters?.lastRevokedUse?.clientIp ?? null).toBeNull()
    expect(await textsLeftOf(stores, key)).toEqual([])
  }

  test('by a process that has the counters of before in memory brings back neither owner nor address', async () => {
    await consume(useOf(key, today))
    await erase()
    await consume(useOf(key, today), useOf(key, today, evidence))
    await noOwnerNoAddress(today, 8)
  })

  test.each([
    ['of today, without counters before,', '20261122', {}],
    ['of yesterday', '20261121', {}],
    ['of an open day weeks ago', '20261105', {}],
    ['of a later day, by an instance that was cut off,', '20261125', evidence],
  ])('%s is counted without them', async (_, day, change) => {
    await requestErasure(stores, key)
    await eraseUsage(stores, 60)
    if (day === '20261125') await services.time.advance(3 * 86_400_000)
    const total = (await countersOn(day))?.total ?? 0
    await consume(useOf(key, day, { ...change, count: 7 }))
    await noOwnerNoAddress(day, total + 7)
    await consume(useOf(key, day, change), useOf(other, day))
    await noOwnerNoAddress(day, total + 8)
    expect(await countersOn(day, other)).toMatchObject({ ownerId: 'ann@example.com' })
  })

  test('of today, in a month that nothing was counted in yet, is counted without them', async () => {
    for (const month of ['202610', '202611']) await services.months.drop(month)
    await requestErasure(stores, key)
    await eraseUsage(stores, 60)
    await consume(useOf(key, today))
    await noOwnerNoAddress(today, 1)
  })

  test('of a sealed day is kept aside without them', async () => {
    await erase()
    await consume(useOf(key, '20261015', evidence), useOf(other, '20261015'))
    const late = await Array.fromAsync(services.late.scan('20261015'))
    expect(late).toHaveLength(2)
    expect(await textsLeftOf(stores, key)).toEqual([])
    expect(JSON.stringify(late)).toContain('ann@example.com')
  })

  test('from a message that was set aside before is replayed without them, and counts', async () => {
    await erase()
    const total = (await countersOn('20261015'))?.total
    await replayPoison(services, null)
    await drainUsage(services)
    expect(await textsLeftOf(stores, key)).toEqual([])
    expect((await countersOn('20261015'))?.total).toBe(total)
  })

  test('whose message is set aside later is set aside without them, in the same order', async () => {
    await erase()
    const deltas = [useOf(key, today, evidence), useOf(other, today), useOf(key, today)]
    const body = services.codec.encode(sampleBatch(deltas))
    await setAside({ ...services, meter: services.metrics.meter }, body, 'refused', 'why')
    const [set] = services.poisoned.held().filter(({ id }) => id !== 'seed.boot.9')
    expect(services.codec.parse(set?.body ?? '').deltas.map(({ keyId }) => keyId)).toEqual(
      services.codec.parse(body).deltas.map(({ keyId }) => keyId),
    )
    expect(await textsLeftOf(stores, key)).toEqual([])
  })

  test('and was copied by a roll-up that had read the counters before is erased by the second pass', async () => {
    const copies = addDeltas(() => undefined, [useOf(key, today, { ...evidence, count: 9 })])
    await requestErasure(stores, key)
    await eraseUsage(stores, 60)
    await services.copies.putKeyDays(
      oneProvider('acme'),
      copies.map((row) => ({ ...row, version: 9 })),
    )
    expect(await textsLeftOf(stores, key)).not.toEqual([])
    await completeErasure(stores, settle)
    expect(await textsLeftOf(stores, key)).toEqual([])
  })

  test('and a late one that a consumer writes with what it knew before is erased by the second pass', async () => {
    await requestErasure(stores, key)
    await eraseUsage(stores, 60)
    await countInto(services.ledger, [useOf(key, '20261103', evidence)], { batchId: 'seed.boot.77' })
    expect(await textsLeftOf(stores, key)).toEqual([])
    expect(await countersOn('20261103')).toMatchObject({ ownerId: 'ann@example.com' })
    await completeErasure(stores, settle)
    expect(await countersOn('20261103')).toMatchObject({ ownerId: await pseudonym(), lastIpHash: null })
  })
})

describe('the marks that an erasure leaves on days without a use', () => {
  test('are in no report: they make no group, no last use and no totals', async () => {
    await erase()
    await rollUpUsage(services)
    const held = services.reports as unknown as { held(): { keyDays: { total: number }[]; totals: { day: string }[] } }
    expect(held.held().keyDays.filter(({ total }) => total === 0)).toEqual([])
    expect(held.held().totals.map(({ day }) => day)).not.toContain('20261123')
  })
})
