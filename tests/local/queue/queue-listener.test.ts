import { randomUUID } from 'node:crypto'
import type { DequeuedMessageItem } from '@azure/storage-queue'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { pollDelayMs, startQueueListener } from '../../../local/queue/queue-listener.ts'
import { createQueueStorage } from '../../../local/queue/queue-storage.ts'
import type { QueueOptions } from '../../../local/runtime/host-json.ts'
import { startAzurite, type TestAzurite } from '../../support/runs/azurite.ts'
import { poll } from '../../support/samples/poll.ts'

const OPTIONS: QueueOptions = {
  batchSize: 16,
  newBatchThreshold: 8,
  maxDequeueCount: 3,
  visibilityTimeoutMs: 0,
  maxPollingIntervalMs: 200,
  messageEncoding: 'base64',
}

const storage = createQueueStorage()
let azurite: TestAzurite

beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

type Run = (body: Buffer, message: DequeuedMessageItem) => Promise<void>

/** A new queue with its poison queue, and a listener that stops at the end of the test. */
function listen(run: Run, settings: { options?: Partial<QueueOptions>; name?: string } = {}) {
  const name = settings.name ?? `q-${randomUUID()}`
  const queue = storage.queue(azurite.connectionString, name)
  const poison = storage.queue(azurite.connectionString, `${name}-poison`)
  const start = () => {
    const listener = startQueueListener({
      functionName: 'reader',
      queue,
      options: { ...OPTIONS, ...settings.options },
      leaseSeconds: 30,
      run,
      sendToPoison: name.endsWith('-poison')
        ? undefined
        : (text) => storage.send(azurite.connectionString, poison.name, text),
      log: () => {},
    })
    onTestFinished(() => listener.stop())
    return listener
  }
  const send = (text: string) => storage.send(azurite.connectionString, name, Buffer.from(text).toString('base64'))
  const isEmpty = async () => (await queue.getProperties()).approximateMessagesCount === 0
  const poisoned = async () => {
    const exists = await poison.exists()
    const { receivedMessageItems = [] } = exists ? await poison.receiveMessages({ numberOfMessages: 32 }) : {}
    return receivedMessageItems.map(({ messageText }) => messageText)
  }
  return { queue, start, send, isEmpty, poisoned }
}

test('a message reaches the function decoded, and is deleted after a success', async () => {
  const bodies: string[] = []
  const { send, start, isEmpty } = listen(async (body) => void bodies.push(body.toString()))
  await send('{"grüße":"welt"}')
  start()
  await poll(isEmpty)
  expect(bodies).toEqual(['{"grüße":"welt"}'])
})

test('a failing message is tried maxDequeueCount times and then moved unmodified to the poison queue', async () => {
  const tries: number[] = []
  const { send, start, isEmpty, poisoned } = listen(async (_, { dequeueCount }) => {
    tries.push(dequeueCount)
    throw new Error('always')
  })
  await send('bad')
  start()
  await poll(isEmpty)
  expect(tries).toEqual([1, 2, 3])
  expect(await poisoned()).toEqual([Buffer.from('bad').toString('base64')])
})

test('after the last try a message is moved to the poison queue at once, for any visibility timeout', async () => {
  const { send, start, isEmpty, poisoned } = listen(() => Promise.reject(new Error('always')), {
    options: { maxDequeueCount: 1, visibilityTimeoutMs: 60_000 },
  })
  await send('bad')
  start()
  await poll(isEmpty)
  expect(await poisoned()).toHaveLength(1)
})

test('a message that was dequeued too often before is moved to the poison queue without a run', async () => {
  let runs = 0
  const { queue, send, start, isEmpty, poisoned } = listen(
    async () => {
      runs++
    },
    { options: { maxDequeueCount: 1 } },
  )
  await send('seen')
  const { receivedMessageItems } = await queue.receiveMessages()
  const [{ messageId, popReceipt } = { messageId: '', popReceipt: '' }] = receivedMessageItems
  await queue.updateMessage(messageId, popReceipt, undefined, 0)
  start()
  await poll(isEmpty)
  expect(runs).toBe(0)
  expect(await poisoned()).toHaveLength(1)
})

test('a failed message stays invisible for the visibility timeout', async () => {
  let runs = 0
  const { queue, send, start } = listen(
    async () => {
      runs++
      throw new Error('later')
    },
    { options: { visibilityTimeoutMs: 60_000 } },
  )
  await send('x')
  const listener = start()
  await poll(() => runs === 1)
  await listener.stop()
  expect((await queue.receiveMessages()).receivedMessageItems).toEqual([])
  expect((await queue.getProperties()).approximateMessagesCount).toBe(1)
})

test('a message that is not base64 is moved unmodified to the poison queue without a run', async () => {
  let runs = 0
  const { queue, start, isEmpty, poisoned } = listen(async () => {
    runs++
  })
  await queue.create()
  await queue.sendMessage('{"plain":"json"}')
  start()
  await poll(isEmpty)
  expect(runs).toBe(0)
  expect(await poisoned()).toEqual(['{"plain":"json"}'])
})

test('with messageEncoding none the text of the message is the body', async () => {
  const bodies: string[] = []
  const { queue, start, isEmpty } = listen(async (body) => void bodies.push(body.toString()), {
    options: { messageEncoding: 'none' },
  })
  await queue.create()
  await queue.sendMessage('plain')
  start()
  await poll(isEmpty)
  expect(bodies).toEqual(['plain'])
})

test('batchSize plus newBatchThreshold is the maximum concurrency, and every message runs in the end', async () => {
  const seen = { runs: 0, concurrent: 0, concurrentMax: 0 }
  const waiting: (() => void)[] = []
  const run = async () => {
    seen.runs++
    seen.concurrentMax = Math.max(seen.concurrentMax, ++seen.concurrent)
    await new Promise<void>((resolve) => waiting.push(resolve))
    seen.concurrent--
  }
  const { send, start, isEmpty } = listen(run, { options: { batchSize: 4, newBatchThreshold: 2 } })
  for (let index = 0; index < 12; index++) await send(String(index))
  start()
  await poll(() => seen.concurrent === 4)
  for (const resolve of waiting.splice(0, 2)) resolve()
  await poll(() => seen.concurrent === 6)
  await poll(async () => {
    for (const resolve of waiting.splice(0)) resolve()
    return seen.runs === 12 && (await isEmpty())
  })
  expect(seen.concurrentMax).toBe(6)
})

test('a missing queue is polled for, and read as soon as it exists', async () => {
  let runs = 0
  const { queue, start, send } = listen(async () => {
    runs++
  })
  start()
  expect(await queue.exists()).toBe(false)
  await send('first')
  await poll(() => runs === 1)
})

test('a message that fails in a poison queue stays there: a poison queue has no poison queue', async () => {
  let runs = 0
  const { queue, send, start } = listen(
    async () => {
      runs++
      throw new Error('still')
    },
    { name: `q-${randomUUID()}-poison`, options: { maxDequeueCount: 1 } },
  )
  await send('x')
  const listener = start()
  await poll(() => runs === 1)
  await listener.stop()
  expect((await queue.getProperties()).approximateMessagesCount).toBe(1)
  expect(await storage.queue(azurite.connectionString, `${queue.name}-poison`).exists()).toBe(false)
})

test('stop waits until the received messages are processed and deleted, and receives no other', async () => {
  const waiting = new Map<string, () => void>()
  const run = (body: Buffer) => new Promise<void>((resolve) => void waiting.set(body.toString(), resolve))
  const { send, start, queue } = listen(run, { options: { batchSize: 1, newBatchThreshold: 1 } })
  for (const text of ['first', 'second', 'third']) await send(text)
  const listener = start()
  await poll(() => waiting.size === 2)
  let stopped = false
  const stopping = listener.stop().then(() => {
    stopped = true
  })

  waiting.get('first')?.()
  await poll(async () => (await queue.getProperties()).approximateMessagesCount === 2)
  expect(stopped).toBe(false)

  waiting.get('second')?.()
  await stopping
  expect([...waiting.keys()]).toEqual(['first', 'second'])
  const { receivedMessageItems } = await queue.receiveMessages()
  expect(receivedMessageItems.map(({ messageText }) => Buffer.from(messageText, 'base64').toString())).toEqual([
    'third',
  ])
})

test('empty polls back off exponentially, from 100 ms up to the maximum', () => {
  const delays = [1, 2, 3, 4, 5, 6].map((emptyPolls) => pollDelayMs(emptyPolls, 2_000, 0.5))
  expect(delays).toEqual([100, 200, 400, 800, 1_600, 2_000])
  expect(pollDelayMs(2_000, 60_000, 0.999)).toBe(60_000)
  expect([pollDelayMs(3, 2_000, 0), pollDelayMs(3, 2_000, 0.999)]).toEqual([340, expect.closeTo(460, 0)])
})
