import { MESSAGE_BYTES_MAX } from '../../../shared/domain/usage/message-packing.ts'
import type { MessageQueue, ReceivedMessage } from '../../../shared/ports/queue.ts'
import type { Clock } from '../../../shared/ports/runtime.ts'

interface StoredMessage {
  readonly id: string
  readonly body: string
  receipt: string
  visibleAtMs: number
  dequeueCount: number
}

export interface MemoryMessageQueue extends MessageQueue {
  /** Every message, including hidden messages. */
  held(): readonly { readonly id: string; readonly body: string; readonly hidden: boolean }[]
  /** Makes a hidden message visible, as at the end of its visibility timeout. */
  show(id: string): void
}

/** A queue in memory. A received message is hidden until its visibility timeout ends or `show` is called. */
export function memoryMessageQueue(clock: Clock): MemoryMessageQueue {
  const messages = new Map<string, StoredMessage>()
  let sent = 0
  const isHidden = (message: StoredMessage) => message.visibleAtMs > clock.now().getTime()

  return {
    send: async (body, delaySeconds = 0) => {
      if (Buffer.byteLength(body) > MESSAGE_BYTES_MAX) throw new RangeError('The message is too large.')
      const id = `m${++sent}`
      const visibleAtMs = delaySeconds === 0 ? 0 : clock.now().getTime() + delaySeconds * 1000
      messages.set(id, { id, body, receipt: '', visibleAtMs, dequeueCount: 0 })
    },
    receive: async (limit, hiddenSeconds) => {
      const taken = [...messages.values()].filter((message) => !isHidden(message)).slice(0, Math.min(limit, 32))
      for (const message of taken) {
        message.dequeueCount++
        message.receipt = `${message.id}/${message.dequeueCount}`
        message.visibleAtMs = clock.now().getTime() + hiddenSeconds * 1000
      }
      return taken.map(({ id, receipt, body, dequeueCount }): ReceivedMessage => {
        return { id, receipt, body, dequeueCount, expiresAt: null }
      })
    },
    remove: async ({ id, receipt }) => {
      if (messages.get(id)?.receipt === receipt) messages.delete(id)
    },
    depth: async () => messages.size,
    held: () =>
      [...messages.values()].map((message) => ({ id: message.id, body: message.body, hidden: isHidden(message) })),
    show: (id) => {
      const message = messages.get(id)
      if (message !== undefined) message.visibleAtMs = 0
    },
  }
}
