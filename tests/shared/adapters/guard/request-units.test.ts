import { createHttpHeaders, createPipelineRequest } from '@azure/core-rest-pipeline'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Lane } from '../../../../shared/adapters/guard/lanes.ts'
import {
  estimateUnits,
  type RequestUnits,
  readCharge,
  requestUnits,
} from '../../../../shared/adapters/guard/request-units.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** When, in ms from now, each of the costs was spent, one after the other; null where it was rejected. */
async function spendAll(units: RequestUnits, costs: readonly number[], waitMs: number) {
  const startedAtMs = performance.now()
  const spent: (number | null)[] = []
  const spending = (async () => {
    for (const cost of costs) {
      await units.spend(cost, waitMs).then(
        () => spent.push(Math.round(performance.now() - startedAtMs)),
        () => spent.push(null),
      )
    }
  })()
  await vi.advanceTimersByTimeAsync((waitMs + 10) * costs.length)
  await spending
  return spent
}

describe('a lane', () => {
  test('spends its share at once, waits for more, and rejects what would take too long', async () => {
    const { background } = requestUnits(100)
    expect(await spendAll(background, [20, 10, 50], 120)).toEqual([0, 100, null])
  })

  test('alone gets the whole budget: what the others do not spend flows to it', async () => {
    const { background } = requestUnits(100)
    const spent = await spendAll(background, new Array(40).fill(10), 1000)
    expect(spent).not.toContain(null)
    // 400 units at 100 a second.
    expect(spent.at(-1)).toBeGreaterThan(3500)
    expect(spent.at(-1)).toBeLessThan(4500)
  })

  test.each(['revocation', 'limits', 'lookup', 'management'] as const)(
    'spends its share at once (%s) however much every other lane has spent',
    async (lane) => {
      const units = requestUnits(100)
      const share = { revocation: 10, limits: 20, lookup: 30, management: 20 }[lane]
      const lower = (['management', 'background'] as const).filter((other) => other !== lane)
      for (const other of lower) await units[other].spend(1000, 0).catch(() => undefined)
      expect(await spendAll(units[lane], [share], 0)).toEqual([0])
    },
  )

  test('takes from the lanes below it, and never from the first two', async () => {
    const lookup = requestUnits(100)
    expect(await spendAll(lookup.lookup, [70, 1], 0)).toEqual([0, null])
    expect(await spendAll(lookup.revocation, [10], 0)).toEqual([0])
    expect(await spendAll(lookup.limits, [20], 0)).toEqual([0])
    const revocation = requestUnits(100)
    expect(await spendAll(revocation.revocation, [80], 0)).toEqual([0])
    expect(await spendAll(revocation.limits, [20], 0)).toEqual([0])
  })
})

test('no request of 10,000 units in the background takes a unit from revocations, limits and lookups', async () => {
  const units = requestUnits(400)
  expect(await spendAll(units.background, [10_000], 0)).toEqual([0])
  for (let second = 0; second < 10; second++) {
    expect(await spendAll(units.revocation, [40], 0)).toEqual([0])
    expect(await spendAll(units.limits, [80], 0)).toEqual([0])
    expect(await spendAll(units.lookup, [120], 0)).toEqual([0])
    await vi.advanceTimersByTimeAsync(1000)
  }
  expect(await spendAll(units.background, [10], 500)).toEqual([null])
})

test('never more is spent by all lanes than the rate and one saved second allow', async () => {
  const lane = fc.constantFrom<Lane>('revocation', 'limits', 'lookup', 'management', 'background')
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(lane, fc.integer({ min: 1, max: 10 })), { maxLength: 60 }), async (spends) => {
      const units = requestUnits(100)
      const startedAtMs = performance.now()
      let total = 0
      const all = Promise.all(
        spends.map(async ([of, cost]) => {
          await units[of].spend(cost, 5000).catch(() => undefined)
          total += cost
          expect(total).toBeLessThanOrEqual(100 + ((performance.now() - startedAtMs) / 1000) * 100 + 0.5)
        }),
      )
      await vi.advanceTimersByTimeAsync(8000)
      await all
    }),
    { numRuns: 50 },
  )
})

test('an idle minute saves up no more than one second of units', async () => {
  const { limits } = requestUnits(100)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await spendAll(limits, [90, 1], 0)).toEqual([0, null])
})

test('a request that costs more than its buckets hold is sent once they are full, and leaves its lane in debt', async () => {
  const { background } = requestUnits(100)
  expect(await spendAll(background, [250], 0)).toEqual([0])
  expect(await spendAll(background, [10], 1000)).toEqual([null])
  await vi.advanceTimersByTimeAsync(2000)
  expect(await spendAll(background, [10], 0)).toEqual([0])
})

test('the actual charge replaces the estimate', async () => {
  const dear = requestUnits(100).background
  await dear.spend(1, 0)
  dear.adjust(1, 20)
  expect(await spendAll(dear, [10], 0)).toEqual([null])
  const cheap = requestUnits(100).background
  await cheap.spend(20, 0)
  cheap.adjust(20, 2)
  expect(await spendAll(cheap, [18], 0)).toEqual([0])
})

test('a point read costs 1, a query 5, a write by its size; a reply may report the actual charge', () => {
  const url = "https://a.table.cosmos.azure.com/keys(PartitionKey='p',RowKey='r')"
  const estimate = (options: Parameters<typeof createPipelineRequest>[0]) =>
    estimateUnits(createPipelineRequest(options))
  expect(estimate({ url, method: 'GET' })).toBe(1)
  expect(estimate({ url: 'https://a.table.cosmos.azure.com/keys()?$filter=x', method: 'GET' })).toBe(5)
  expect(estimate({ url, method: 'PUT', body: '{}' })).toBe(6)
  expect(estimate({ url: 'https://a.table.cosmos.azure.com/$batch', method: 'POST', body: 'x'.repeat(3000) })).toBe(18)
  const reply = (headers: Record<string, string>) => {
    return readCharge({ status: 200, request: createPipelineRequest({ url }), headers: createHttpHeaders(headers) })
  }
  expect(reply({ 'x-ms-request-charge': '7.5' })).toBe(7.5)
  expect([reply({}), reply({ 'x-ms-request-charge': 'soon' })]).toEqual([undefined, undefined])
})
