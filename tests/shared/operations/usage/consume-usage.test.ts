import { describe, expect, test } from 'vitest'
import { AppError } from '../../../../shared/domain/errors.ts'
import { KEYS_PER_PARTITION_MAX } from '../../../../shared/domain/usage/message-packing.ts'
import type { UsageDelta } from '../../../../shared/domain/usage/usage.ts'
import type { MemoryMessageQueue } from '../../../support/memory/memory-message-queue.ts'
import type { MemoryUsageLedger } from '../../../support/memory/memory-usage-ledger.ts'
import { readMetric } from '../../../support/requests/read-metric.ts'
import { keyInShard, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { codec, consumerUnderTest, sampleBatch } from '../../../support/worlds/consumer-under-test.ts'

const body = (...deltas: readonly UsageDelta[]) => codec.encode(sampleBatch(deltas))
const totals = (ledger: MemoryUsageLedger) => ledger.held().map(({ meta }) => meta.total)
const down = () => Promise.reject(new AppError('store_unavailable', 'down'))

describe('the consumer', () => {
  test('counts the message of the trigger, then drains the queue', async () => {
    const { consumer, queue, ledger } = consumerUnderTest()
    for (let message = 0; message < 100; message++) await queue.send(body(sampleDelta({ count: 2 })))
    await consumer.wake(body(sampleDelta({ count: 1 })))
    expect(totals(ledger)).toEqual([201])
    expect(await queue.depth()).toBe(0)
  })

  test('measures the uses that it adds and their lag, and no duplicates', async () => {
    const { consumer, metrics, clock } = consumerUnderTest()
    const at = new Date(clock.now().getTime() - 4000).toISOString()
    const message = codec.encode({ ...sampleBatch([sampleDelta({ count: 3 })]), at })
    await consumer.wake(message)
    await consumer.wake(message)
    expect(await readMetric(metrics, 'auth_api_usage_aggregated_events_total')).toEqual([3])
    expect(await readMetric(metrics, 'auth_api_usage_lag_seconds_sum')).toEqual([4])
    expect(await readMetric(metrics, 'auth_api_usage_lag_seconds_count')).toEqual([1])
  })

  test('merges waiting messages: 64 messages about one key cost at most three transactions', async () => {
    const { consumer, queue, ledger, requests } = consumerUnderTest()
    for (let message = 0; message < 64; message++) await queue.send(body(sampleDelta()))
    await consumer.drain()
    expect(totals(ledger)).toEqual([64])
    expect(requests.filter((request) => request === 'commit').length).toBeLessThanOrEqual(3)
  })

  test('reads nothing again while it is the only writer', async () => {
    const { consumer, queue, ledger, requests } = consumerUnderTest()
    await consumer.wake(body(sampleDelta()))
    requests.length = 0
    await queue.send(body(sampleDelta()))
    await consumer.wake(body(sampleDelta()))
    expect(new Set(requests)).toEqual(new Set(['commit']))
    expect(totals(ledger)).toEqual([3])
  })

  test('counts beside another writer, whose commits it notices by the fence', async () => {
    const { consumer, ledger } = consumerUnderTest()
    await consumer.wake(body(sampleDelta()))
    const other = consumerUnderTest({ wrapLedger: () => ledger })
    await other.consumer.wake(body(sampleDelta({ count: 10 })))
    await consumer.wake(body(sampleDelta({ count: 100 })))
    const [held] = ledger.held()
    expect([...(held?.counters.values() ?? [])].map(({ total }) => total)).toEqual([111])
  })

  test('sets an invalid message aside, and logs an error that does not quote it', async () => {
    const { consumer, queue, poisoned, lines, ledger, metrics } = consumerUnderTest()
    await queue.send('{"v":1,"secret":"hunter2"}')
    await queue.send(body(sampleDelta()))
    await consumer.wake('no JSON')
    expect(poisoned.held().map(({ body, reason }) => [body, reason])).toEqual([
      ['no JSON', 'unreadable'],
      ['{"v":1,"secret":"hunter2"}', 'unreadable'],
    ])
    expect(await readMetric(metrics, 'auth_api_usage_set_aside_total')).toEqual([2])
    expect(await queue.depth()).toBe(0)
    expect(totals(ledger)).toEqual([1])
    expect(lines.map(([level]) => level)).toEqual(['error', 'error'])
    expect(JSON.stringify(lines)).not.toContain('hunter2')
  })

  test('sets a message aside that could never fit into a transaction', async () => {
    const { consumer, poisoned, ledger } = consumerUnderTest()
    const keys = Array.from({ length: KEYS_PER_PARTITION_MAX + 1 }, (_, number) => keyInShard('00', number))
    await consumer.wake(body(...keys.map((keyId) => sampleDelta({ keyId }))))
    expect(poisoned.held()).toMatchObject([{ reason: 'unreadable', detail: 'too many keys in one partition' }])
    expect(ledger.held()).toEqual([])
  })

  async function deliver20Times(queue: MemoryMessageQueue): Promise<string> {
    await queue.send(body(sampleDelta()))
    const [{ id } = { id: '' }] = queue.held()
    for (let delivery = 0; delivery < 20; delivery++) {
      await queue.receive(1, 60)
      queue.show(id)
    }
    return id
  }

  test('sets a message aside that was delivered more than 20 times', async () => {
    const { consumer, queue, poisoned, ledger } = consumerUnderTest()
    await deliver20Times(queue)
    expect(await consumer.drain()).toEqual({ counted: 0, setAside: 1, failed: 0 })
    expect(poisoned.held()).toMatchObject([{ reason: 'delivered_too_often' }])
    expect([await queue.depth(), ledger.held().length]).toEqual([0, 0])
  })

  test('leaves a message in the queue, however often it was delivered, while the tables do not answer', async () => {
    let isDown = true
    const { consumer, queue, poisoned, poison } = consumerUnderTest({
      wrapLedger: (real) => ({ ...real, readMeta: (partition) => (isDown ? down() : real.readMeta(partition)) }),
    })
    const id = await deliver20Times(queue)
    for (let delivery = 0; delivery < 30; delivery++) {
      expect(await consumer.drain()).toEqual({ counted: 0, setAside: 0, failed: 1 })
      queue.show(id)
    }
    expect([await queue.depth(), await poison.depth(), poisoned.held()]).toEqual([1, 0, []])
    isDown = false
    expect(await consumer.drain()).toMatchObject({ setAside: 1 })
  })

  test('moves a message to the poison queue where the poison store does not take it', async () => {
    const { consumer, poisoned, poison } = consumerUnderTest()
    poisoned.put = down
    await consumer.wake('no JSON')
    expect(poison.held().map((message) => message.body)).toEqual(['no JSON'])
  })

  test('leaves messages in the queue while the store is down, fails the trigger, and stops receiving', async () => {
    const { consumer, queue, poison, ledger } = consumerUnderTest({ wrapLedger: (real) => ({ ...real, commit: down }) })
    for (let message = 0; message < 400; message++) await queue.send(body(sampleDelta()))
    await expect(consumer.wake(body(sampleDelta()))).rejects.toMatchObject({ code: 'store_unavailable' })
    const { failed, counted } = await consumer.drain()
    expect(counted).toBe(0)
    expect(failed).toBeLessThanOrEqual(320)
    expect([await queue.depth(), await poison.depth(), ledger.held().length]).toEqual([400, 0, 0])
  })

  test('does not fail the message of the trigger when the queue cannot be read', async () => {
    const { consumer, queue, ledger } = consumerUnderTest()
    queue.receive = down
    await consumer.wake(body(sampleDelta()))
    expect(totals(ledger)).toEqual([1])
  })

  test('deletes a pushed part only after the push log was told, with the same counts every time', async () => {
    const told: unknown[] = []
    const partApplied = (...args: readonly unknown[]) => (told.push(args) === 1 ? down() : Promise.resolve())
    const { consumer, queue } = consumerUnderTest({ pushLog: { partApplied } })
    const push = { providerId: 'acme', batchId: 'nightly', part: 2 }
    await queue.send(codec.encode(sampleBatch([sampleDelta({ count: 7 })], push)))
    expect(await consumer.drain()).toMatchObject({ failed: 1 })
    const [{ id, hidden } = { id: '', hidden: false }] = queue.held()
    expect(hidden).toBe(true)
    queue.show(id)
    expect(await consumer.drain()).toMatchObject({ counted: 1 })
    const partitions = [{ day: '20261122', shard: '00', batches: 1 }]
    expect(told).toEqual(new Array(2).fill([push, { applied: 7, late: 0, partitions }]))
  })
})

describe('a batch', () => {
  test('is merged with others up to the configured rows of a transaction, and never split', async () => {
    const rows: number[] = []
    const { consumer, queue, ledger } = consumerUnderTest({
      rowsPerTransaction: 10,
      wrapLedger: (wrapped) => ({
        ...wrapped,
        commit(partition, change) {
          rows.push(1 + change.applied.length + change.counters.length)
          return wrapped.commit(partition, change)
        },
      }),
    })
    for (let message = 0; message < 30; message++) await queue.send(body(sampleDelta()))
    await consumer.drain()
    expect(Math.max(...rows)).toBe(10)
    const keys = Array.from({ length: KEYS_PER_PARTITION_MAX }, (_, n) => sampleDelta({ keyId: keyInShard('00', n) }))
    await queue.send(body(...keys))
    await consumer.drain()
    expect(Math.max(...rows)).toBe(2 + KEYS_PER_PARTITION_MAX)
    expect(totals(ledger).reduce((sum, total) => sum + total, 0)).toBe(30 + KEYS_PER_PARTITION_MAX)
  })

  test('is merged with others up to the 100 rows of a transaction', async () => {
    const { aggregator, ledger, requests } = consumerUnderTest()
    const batches = Array.from({ length: 300 }, (_, number) =>
      sampleBatch([sampleDelta({ keyId: keyInShard('00', number % 40) })]),
    )
    await Promise.all(batches.map(aggregator.submit))
    expect(totals(ledger)).toEqual([300])
    expect(requests.filter((request) => request === 'commit')).toHaveLength(6)
  })

  test('that is submitted twice at once is counted once', async () => {
    const { aggregator, ledger } = consumerUnderTest()
    const batch = sampleBatch([sampleDelta({ count: 3 }), sampleDelta({ keyId: keyInShard('01'), count: 4 })])
    const results = await Promise.all([aggregator.submit(batch), aggregator.submit(batch)])
    expect(results).toMatchObject([
      { applied: 7, duplicate: 0, late: 0 },
      { applied: 0, duplicate: 7, late: 0 },
    ])
    expect(totals(ledger)).toEqual([3, 4])
  })

  test('that comes for a sealed day is stored as late as a whole, and logged', async () => {
    const { consumer, ledger, late, lines } = consumerUnderTest()
    await ledger.seal({ day: '20261122', shard: '00' })
    const deltas = [sampleDelta({ count: 5 })]
    await consumer.wake(codec.encode(sampleBatch(deltas)))
    expect(late.held()).toMatchObject([{ partition: { day: '20261122', shard: '00' }, count: 5, deltas }])
    expect(totals(ledger)).toEqual([0])
    expect(lines).toMatchObject([['warn', expect.any(String), { late: 5 }]])
  })

  test('that was counted before its day was sealed is a duplicate afterwards, and not late', async () => {
    const { aggregator, ledger } = consumerUnderTest()
    const batch = sampleBatch([sampleDelta({ count: 5 })])
    await aggregator.submit(batch)
    await ledger.seal({ day: '20261122', shard: '00' })
    const other = consumerUnderTest({ wrapLedger: () => ledger })
    expect(await other.aggregator.submit(batch)).toMatchObject({ applied: 0, duplicate: 5, late: 0 })
    expect(other.late.held()).toEqual([])
  })

  test('that is more than 35 days old is late even before its day is sealed', async () => {
    const { aggregator, ledger, late } = consumerUnderTest()
    const batch = sampleBatch([sampleDelta({ hour: '2026101700', count: 2 }), sampleDelta({ hour: '2026101800' })])
    expect(await aggregator.submit(batch)).toMatchObject({ applied: 1, duplicate: 0, late: 2 })
    expect(await ledger.readMeta({ day: '20261017', shard: '00' })).toMatchObject({ state: 'sealed' })
    expect(late.held()).toHaveLength(1)
  })

  test('that one of its partitions cannot store is not acknowledged, and counts once on retry', async () => {
    let isDown = true
    const { aggregator, ledger } = consumerUnderTest({
      wrapLedger: (real) => ({
        ...real,
        commit: (partition, change) => (isDown && partition.shard === '01' ? down() : real.commit(partition, change)),
      }),
    })
    const batch = sampleBatch([sampleDelta({ count: 3 }), sampleDelta({ keyId: keyInShard('01'), count: 4 })])
    await expect(aggregator.submit(batch)).rejects.toMatchObject({ code: 'store_unavailable' })
    isDown = false
    expect(await aggregator.submit(batch)).toMatchObject({ applied: 4, duplicate: 3, late: 0 })
    expect(totals(ledger)).toEqual([3, 4])
  })
})
