import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'

/** Keeps a received message invisible to other consumers while it is processed. */
export type QueueLease = {
  /** Ends the renewals and returns the current pop receipt. */
  end: () => Promise<string>
}

/** Renews the lease each time half of it has elapsed. A failed renewal is logged and retried at the next interval. */
export function startLease(
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
