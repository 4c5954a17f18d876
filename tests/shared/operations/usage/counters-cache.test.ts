import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { ENDPOINT_NAMES_MAX } from '../../../../shared/domain/usage/endpoint-names.ts'
import { shardOf } from '../../../../shared/domain/usage/partition.ts'
import type { DayCounters } from '../../../../shared/domain/usage/usage.ts'
import { usageAggregator } from '../../../../shared/operations/usage/aggregate-usage.ts'
import { countersCache } from '../../../../shared/operations/usage/counters-cache.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'
import { memoryKeyStore } from '../../../support/memory/memory-key-store.ts'
import { memoryLateUsage, memoryUsageLedger } from '../../../support/memory/memory-usage-ledger.ts'
import { sampleCounters, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { sampleBatch } from '../../../support/worlds/consumer-under-test.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

const KEYS_PER_BATCH = 40
const BYTES = 400_000

/** Counts four rounds of one use of each key, and returns the counts, and the most bytes that the cache held. */
async function countRounds(keys: number): Promise<{ readonly wrong: number; readonly bytes: number }> {
  const ledger = memoryUsageLedger()
  const counters = countersCache(BYTES)
  const { clock } = manualTime()
  const scheduler = { after: () => () => undefined }
  const aggregator = usageAggregator({
    ledger,
    late: memoryLateUsage(),
    keys: memoryKeyStore(),
    clock,
    scheduler,
    jitter: () => 0,
    counters,
  })
  const keyIds = Array.from({ length: keys }, (_, number) => `key-${number}`)
  let bytes = 0
  for (let round = 1; round <= 4; round++) {
    for (let first = 0; first < keys; first += KEYS_PER_BATCH) {
      const deltas = keyIds
        .slice(first, first + KEYS_PER_BATCH)
        .map((keyId) => sampleDelta({ keyId, endpoint: `/round/${round}` }))
      await aggregator.submit(sampleBatch(deltas))
      bytes = Math.max(bytes, counters.bytes())
    }
  }
  const held = new Map(ledger.held().flatMap(({ counters: rows }) => [...rows.values()].map((row) => [row.keyId, row])))
  return { wrong: keyIds.filter((keyId) => held.get(keyId)?.total !== 4).length, bytes }
}

describe('the counters that a consumer caches', () => {
  test('stay within their bytes over ten times the keys, and every count stays exact', async () => {
    const [few, many] = [await countRounds(600), await countRounds(6000)]
    expect([few.wrong, many.wrong]).toEqual([0, 0])
    expect(few.bytes).toBeLessThanOrEqual(BYTES)
    expect(many.bytes).toBeLessThanOrEqual(BYTES)
    expect(few.bytes).toBeGreaterThan(BYTES / 2)
  })

  test('count exactly where a single batch does not fit into the cache', async () => {
    const ledger = memoryUsageLedger()
    const { clock } = manualTime()
    const needs = {
      ledger,
      late: memoryLateUsage(),
      keys: memoryKeyStore(),
      clock,
      scheduler: { after: () => () => undefined },
    }
    const aggregator = usageAggregator({ ...needs, jitter: () => 0, counters: countersCache(5000) })
    const keys = Array.from({ length: 2000 }, (_, number) => `key-${number}`).filter((key) => shardOf(key) === '03')
    const deltas = keys.slice(0, 60).map((keyId) => sampleDelta({ keyId }))
    for (let round = 0; round < 3; round++) await aggregator.submit(sampleBatch(deltas))
    expect([...(ledger.held()[0]?.counters.values() ?? [])].map(({ total }) => total)).toEqual(new Array(60).fill(3))
  })

  test.each([
    ['few', 3],
    ['the most', ENDPOINT_NAMES_MAX],
  ])('take no more memory than their bytes say, with %s endpoints', (_, endpoints) => {
    const cache = countersCache(64 * 1024 * 1024)
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let number = 0; number < 4000; number++)
      cache.set(`1|20261122|00|acme|key-${number}`, makeRow(number, endpoints))
    collectGarbage()
    const used = process.memoryUsage().heapUsed - before
    expect(used).toBeLessThanOrEqual(cache.bytes())
    expect(used).toBeGreaterThan(cache.bytes() / 4)
  })
})

/** A row whose texts are its own, as those of a row that was read are. */
function makeRow(number: number, endpoints: number): DayCounters {
  const deltas = Array.from({ length: endpoints }, (_, index) =>
    sampleDelta({ keyId: `key-${number}`, ownerId: `owner-${number}`, endpoint: `/orders/${number}/items/${index}` }),
  )
  return JSON.parse(JSON.stringify(sampleCounters(deltas, 1)))
}
