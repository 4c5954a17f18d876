import { createHttpHeaders, createPipelineRequest } from '@azure/core-rest-pipeline'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { estimateUnits, readCharge, requestUnits } from '../../../../shared/adapters/guard/request-units.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** When, in ms from now, each of the costs was let through; null where it was not. */
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

test('a second’s worth goes at once, what is more waits its turn, and what would wait too long is refused', async () => {
  const units = requestUnits(100)
  expect(await spendAll(units, [60, 40, 10, 20, 100], 800)).toEqual([0, 0, 100, 300, null])
})

test('never more than a second’s worth, and what was saved up, is let through', async () => {
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

test('what was not spent for long is no more than a second’s worth', async () => {
  const units = requestUnits(100)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await spendAll(units, [100, 1], 0)).toEqual([0, null])
})

test('what costs more than a second’s worth goes when a second’s worth is there, and is owed', async () => {
  const units = requestUnits(100)
  expect(await spendAll(units, [250], 0)).toEqual([0])
  expect(await spendAll(units, [10], 1000)).toEqual([null])
  await vi.advanceTimersByTimeAsync(1000)
  expect(await spendAll(units, [10], 0)).toEqual([0])
})

test('what a request cost replaces what it was thought to cost', async () => {
  const dear = requestUnits(100)
  await dear.spend(1, 0)
  dear.settle(1, 100)
  expect(await spendAll(dear, [10], 0)).toEqual([null])
  const cheap = requestUnits(100)
  await cheap.spend(100, 0)
  cheap.settle(100, 10)
  expect(await spendAll(cheap, [90], 0)).toEqual([0])
})

test('a point read is cheap, a query dearer, a write goes by its size; a reply may know better', () => {
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
