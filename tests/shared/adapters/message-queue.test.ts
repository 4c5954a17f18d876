import { QueueClient } from '@azure/storage-queue'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openGuard } from '../../../shared/adapters/guard/guard.ts'
import { storageMessageQueue } from '../../../shared/adapters/message-queue.ts'
import { messageQueueContract } from '../../support/contracts/message-queue-contract.ts'
import { manualTime } from '../../support/memory/manual-time.ts'
import { memoryMessageQueue } from '../../support/memory/memory-message-queue.ts'
import { startAzurite, type TestAzurite } from '../../support/runs/azurite.ts'
import { startSickServer } from '../../support/runs/sick-server.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

let queues = 0
const freshQueue = () => ({ connectionString: azurite.connectionString, name: `queue-${++queues}` })

messageQueueContract('memory', () => {
  const time = manualTime()
  return { queue: memoryMessageQueue(time.clock), pass: (ms) => void time.advance(ms) }
})
messageQueueContract('Azurite', () => ({ queue: storageMessageQueue(freshQueue()), pass: () => undefined }))

describe('a storage queue', () => {
  test('carries bodies as base64, as the trigger of the host expects, and never lets them expire', async () => {
    const { connectionString, name } = freshQueue()
    await storageMessageQueue({ connectionString, name }).send('{"v":1}')
    const [message] = (await new QueueClient(connectionString, name).receiveMessages()).receivedMessageItems
    expect(message?.messageText).toBe(Buffer.from('{"v":1}').toString('base64'))
    expect(message?.expiresOn.getUTCFullYear()).toBe(9999)
  })

  test('returns a plain-text message of another sender as it is, with its expiry', async () => {
    const { connectionString, name } = freshQueue()
    const client = new QueueClient(connectionString, name)
    await client.create()
    await client.sendMessage('not base64!', { messageTimeToLive: 3600 })
    const [message] = await storageMessageQueue({ connectionString, name }).receive(1, 60)
    expect(message).toMatchObject({ body: 'not base64!', expiresAt: expect.any(Date) })
  })

  test.each<[string, Parameters<typeof startSickServer>[0]]>([
    ['never answers', () => undefined],
    ['is broken', (_, response) => void response.writeHead(500).end()],
  ])('that %s times out with usage_unavailable', async (_, listener) => {
    const server = await startSickServer(listener)
    onTestFinished(server.stop)
    const connectionString = `${server.connectionString.replace('TableEndpoint', 'QueueEndpoint')}/sick`
    const policy = { attemptMs: 300, deadlineMs: 300, retries: 2, backoffMs: 1, openMs: 5000, concurrency: 50 }
    const guard = openGuard({ name: 'queue', policy })
    const queue = storageMessageQueue({ connectionString, name: 'usage-events', guards: { send: guard, rest: guard } })
    const message = { id: '1', receipt: '1', body: '', dequeueCount: 1, expiresAt: null }
    const calls = [() => queue.send('x'), () => queue.receive(1, 1), () => queue.remove(message), () => queue.depth()]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'usage_unavailable' })
  })
})
