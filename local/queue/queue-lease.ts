import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'

/** Keeps a received message hidden from others while it is worked on. */
export type QueueLease = {
  /** Ends the renewals and gives the pop receipt that holds now. */
  end: () => Promise<string>
}

/** Renews the lease whenever half of it is over. A renewal that fails is logged, and tried again at the next turn. */
export function holdLease(
  queue: Pick<QueueClient, 'name' | 'updateMessage'>,
  message: DequeuedMessageItem,
  leaseSeconds: number,
  log: Log,
): QueueLease {
  let popReceipt = message.popReceipt
  let renewal = Promise.resolve()

  const renew = async () => {
    try {
      const renewed = await queue.updateMessage(message.messageId, popReceipt, undefined, leaseSeconds)
      popReceipt = renewed.popReceipt ?? popReceipt
    } catch (error) {
      log('warning', `The lease of a message in queue ${queue.name} was not renewed: ${describeError(error)}`)
    }
  }
  const timer = setInterval(() => {
    renewal = renewal.then(renew)
  }, leaseSeconds * 500)

  return {
    end: async () => {
      clearInterval(timer)
      await renewal
      return popReceipt
    },
  }
}
