import { createHttpHeaders, createPipelineRequest } from '@azure/core-rest-pipeline'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { estimateUnits, readCharge, requestUnits } from '../../../../shared/adapters/guard/request-units.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** When, in ms from now, each of the costs was spent; null where it was rejected. */
async function spendAll(units: ReturnType<typeof requestUnits>, costs: readonly number[], waitMs: number) {
  const startedAtMs = performance.now()
  const spent = costs.map((cost) =>
    units.spend(cost, waitMs).then(
      () => performance.now() - startedAtMs,
      () => null,
    ),
  )
  await vi.advanceTimersByTimeAsync(waitMs + 1)
  return Promise.all(spent)
}

test('one second of units is spent at once, more waits first in first out, and what would wait too long is rejected', async () => {
  const units = requestUnits(100)
  expect(await spendAll(units, [60, 40, 10, 20, 100], 800)).toEqual([0, 0, 100, 300, null])
})

test('never more is spent than the rate and one saved second allow', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 30 }), async (costs) => {
      const times = await spendAll(requestUnits(100), costs, 5000)
      let total = 0
      for (const [index, atMs] of times.entries()) {
        if (atMs === null) continue
        total += costs[index] ?? 0
        expect(total).toBeLessThanOrEqual(100 + (atMs / 1000) * 100 + 0.5)
      }
    }),
    { numRuns: 50 },
  )
})

test('an idle minute saves up no more than one second of units', async () => {
  const units = requestUnits(100)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await spendAll(units, [100, 1], 0)).toEqual([0, null])
})

test('a request that costs more than one second of units is sent once the bucket is full, and leaves it in debt', async () => {
  const units = requestUnits(100)
  expect(await spendAll(units, [250], 0)).toEqual([0])
  expect(await spendAll(units, [10], 1000)).toEqual([null])
  await vi.advanceTimersByTimeAsync(1000)
  expect(await spendAll(units, [10], 0)).toEqual([0])
})

test('the actual charge replaces the estimate', async () => {
  const dear = requestUnits(100)
  await dear.spend(1, 0)
  dear.adjust(1, 100)
  expect(await spendAll(dear, [10], 0)).toEqual([null])
  const cheap = requestUnits(100)
  await cheap.spend(100, 0)
  cheap.adjust(100, 10)
  expect(await spendAll(cheap, [90], 0)).toEqual([0])
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
