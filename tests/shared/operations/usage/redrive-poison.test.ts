import { describe, expect, test } from 'vitest'
import { AppError } from '../../../../shared/domain/errors.ts'
import type { UsageBatch } from '../../../../shared/domain/usage/usage.ts'
import { redrivePoison } from '../../../../shared/operations/usage/redrive-poison.ts'
import { openMetrics } from '../../../../shared/runtime/metrics.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'
import { memoryKeyStore } from '../../../support/memory/memory-key-store.ts'
import { memoryMessageQueue } from '../../../support/memory/memory-message-queue.ts'
import { memoryPoisonStore } from '../../../support/memory/memory-poison-store.ts'
import { memoryUsageLedger } from '../../../support/memory/memory-usage-ledger.ts'
import { sampleDelta } from '../../../support/samples/usage-samples.ts'
import { codec, consumerUnderTest, type LogLine, sampleBatch } from '../../../support/worlds/consumer-under-test.ts'

function setUp() {
  const time = manualTime()
  const queue = memoryMessageQueue(time.clock)
  const poison = memoryMessageQueue(time.clock)
  const poisoned = memoryPoisonStore()
  const ledger = memoryUsageLedger()
  const lines: LogLine[] = []
  const { meter } = openMetrics({ worker: 'tests' })
  const keys = memoryKeyStore()
  const needs = { queue, poison, poisoned, codec, keys, clock: time.clock, meter, ledger }
  const run = () => redrivePoison({ ...needs, log: (...line) => void lines.push(line) })
  return { time, queue, poison, poisoned, ledger, lines, run }
}

function redriven(batch: UsageBatch, times: number): string {
  let body = codec.encode(batch)
  for (let time = 0; time < times; time++) body = codec.raiseRedrives(body)?.body ?? ''
  return body
}

describe('the re-drive of poisoned messages', () => {
  test('logs nothing when the poison queue is empty', async () => {
    const { run, lines } = setUp()
    expect(await run()).toEqual({ redriven: 0, stuck: 0, waiting: 0 })
    expect(lines).toEqual([])
  })

  test('re-drives each message under its own id, so a message that was counted is not counted again', async () => {
    const { run, queue, poison, lines } = setUp()
    const { consumer, ledger } = consumerUnderTest()
    const batch = sampleBatch([sampleDelta({ count: 3 })])
    await consumer.wake(codec.encode(batch))
    await poison.send(codec.encode(batch))
    expect(await run()).toEqual({ redriven: 1, stuck: 0, waiting: 0 })
    expect([await poison.depth(), await queue.depth()]).toEqual([0, 1])
    await consumer.wake(queue.held()[0]?.body ?? '')
    expect(ledger.held()[0]?.meta).toMatchObject({ batches: 1, total: 3 })
    expect(lines).toEqual([['error', expect.any(String), { redriven: 1, stuck: 0, waiting: 0, setAside: false }]])
  })

  test('sets unreadable messages aside, and those re-driven ten times, and keeps the alarm on', async () => {
    const { run, queue, poison, poisoned, lines, time } = setUp()
    await poison.send(redriven(sampleBatch([sampleDelta()]), 10))
    await poison.send('no JSON')
    await poison.send(redriven(sampleBatch([sampleDelta()]), 9))
    expect(await run()).toEqual({ redriven: 1, stuck: 2, waiting: 0 })
    expect(poisoned.held().map(({ reason }) => reason)).toEqual(['delivered_too_often', 'unreadable'])
    await time.advance(5 * 60_000)
    expect(await run()).toEqual({ redriven: 0, stuck: 0, waiting: 0 })
    expect([await poison.depth(), await queue.depth()]).toEqual([0, 1])
    expect(lines.filter(([, message]) => message === 'Usage messages are in poison.')).toHaveLength(2)
  })

  test('waits as long as an outage of the tables lasts: a month of it uses up no re-drive', async () => {
    const { run, queue, poison, poisoned, ledger, time } = setUp()
    const { readMeta } = ledger
    const body = redriven(sampleBatch([sampleDelta()]), 9)
    await poison.send(body)
    ledger.readMeta = () => Promise.reject(new AppError('store_unavailable', 'down'))
    for (let run5 = 0; run5 < 200; run5++) {
      expect(await run()).toEqual({ redriven: 0, stuck: 0, waiting: 1 })
      await time.advance(4 * 3_600_000)
    }
    expect([poison.held().map((message) => message.body), poisoned.held(), await queue.depth()]).toEqual([
      [body],
      [],
      0,
    ])
    ledger.readMeta = readMeta
    expect(await run()).toEqual({ redriven: 1, stuck: 0, waiting: 0 })
  })

  test('removes the expiry that the host sets on a message, during an outage of the tables too', async () => {
    const { run, poison, ledger } = setUp()
    ledger.readMeta = () => Promise.reject(new AppError('store_unavailable', 'down'))
    const receive = poison.receive
    let first = true
    poison.receive = async (limit, hiddenSeconds) => {
      const messages = await receive(limit, hiddenSeconds)
      const expiresAt = first ? new Date('2026-11-29T00:00:00.000Z') : null
      first = false
      return messages.map((message) => ({ ...message, expiresAt }))
    }
    await poison.send('no JSON')
    const [before] = poison.held()
    await run()
    const [after, ...more] = poison.held()
    expect(after).toMatchObject({ body: 'no JSON' })
    expect(after?.id).not.toBe(before?.id)
    expect(more).toEqual([])
  })
})
