import { describe, expect, test } from 'vitest'
import { MESSAGE_BYTES_MAX } from '../../../shared/domain/usage/message-packing.ts'
import type { MessageQueue } from '../../../shared/ports/queue.ts'
import { poll } from '../samples/poll.ts'

/** The contract of every MessageQueue. `makeQueue` makes an empty queue; `pass` advances a fake clock. */
export function messageQueueContract(
  name: string,
  makeQueue: () => { queue: MessageQueue; pass(ms: number): void },
): void {
  describe(`${name} as a message queue`, () => {
    test('is empty before anything was sent', async () => {
      const { queue } = makeQueue()
      expect(await queue.receive(32, 60)).toEqual([])
      expect(await queue.depth()).toBe(0)
    })

    test('delivers any text of 48 KiB as it was sent, and never lets it expire', async () => {
      const { queue } = makeQueue()
      const body = `"<&>é😀\n${'x'.repeat(MESSAGE_BYTES_MAX - 11)}`
      expect(Buffer.byteLength(body)).toBe(MESSAGE_BYTES_MAX)
      await queue.send(body)
      expect(await queue.receive(32, 60)).toMatchObject([{ body, dequeueCount: 1, expiresAt: null }])
    })

    test('delivers at most 32 messages at a time, each once while it is hidden', async () => {
      const { queue } = makeQueue()
      const bodies = Array.from({ length: 40 }, (_, index) => `message ${index}`)
      await Promise.all(bodies.map((body) => queue.send(body)))
      const first = await queue.receive(100, 60)
      const second = await queue.receive(100, 60)
      expect([first.length, second.length]).toEqual([32, 8])
      expect([...first, ...second].map(({ body }) => body).sort()).toEqual(bodies.sort())
      expect(await queue.depth()).toBe(40)
    })

    test('delivers a delayed message when its delay is over, not before', async () => {
      const { queue, pass } = makeQueue()
      await queue.send('later', 1)
      await queue.send('now')
      expect((await queue.receive(32, 60)).map(({ body }) => body)).toEqual(['now'])
      pass(1000)
      expect(await poll(async () => (await queue.receive(1, 60))[0])).toMatchObject({ body: 'later', dequeueCount: 1 })
    })

    test('removes a message, and a second removal is no error', async () => {
      const { queue } = makeQueue()
      await queue.send('once')
      const [message] = await queue.receive(1, 60)
      if (message === undefined) throw new Error('nothing was received')
      await queue.remove(message)
      await queue.remove(message)
      expect(await queue.depth()).toBe(0)
    })

    test('redelivers a message that was not removed in time; then only the newest delivery can remove it', async () => {
      const { queue, pass } = makeQueue()
      await queue.send('again')
      const [first] = await queue.receive(1, 1)
      pass(1000)
      const second = await poll(async () => (await queue.receive(1, 60))[0])
      expect(second).toMatchObject({ body: 'again', dequeueCount: 2 })
      if (first === undefined) throw new Error('nothing was received')
      await queue.remove(first)
      expect(await queue.depth()).toBe(1)
      await queue.remove(second)
      expect(await queue.depth()).toBe(0)
    })
  })
}
