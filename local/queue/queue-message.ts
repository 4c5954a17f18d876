import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { QueueOptions } from '../runtime/host-json.ts'
import { startLease } from './queue-lease.ts'

/** What one function needs to process the messages of one queue. */
export type QueueConsumer = {
  functionName: string
  queue: QueueClient
  options: QueueOptions
  /** How long a message stays invisible while it is processed; renewed at half. */
  leaseSeconds: number
  /** Calls the function with the decoded body; rejects when the function fails. */
  run: (body: Buffer, message: DequeuedMessageItem) => Promise<void>
  /** Undefined when the queue is itself a poison queue: a message that fails there stays. */
  sendToPoison: ((text: string) => Promise<void>) | undefined
  log: Log
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * Processes one received message as QueueProcessor of the Functions host does: deletes it after a success, makes it
 * visible again after a failure, or moves it unmodified to the poison queue if it failed too often or is not decodable.
 */
export async function processMessage(consumer: QueueConsumer, message: DequeuedMessageItem): Promise<void> {
  const { options, log, functionName } = consumer
  const body = decodeMessage(message.messageText, options.messageEncoding)
  if (!body) {
    await moveToPoison(consumer, message, message.popReceipt, 'it is not base64')
    return
  }
  const tries = `it was tried ${Math.min(message.dequeueCount, options.maxDequeueCount)} times`
  if (message.dequeueCount > options.maxDequeueCount && consumer.sendToPoison) {
    await moveToPoison(consumer, message, message.popReceipt, tries)
    return
  }
  const lease = startLease(consumer.queue, message, consumer.leaseSeconds, log)
  let failed = false
  try {
    await consumer.run(body, message)
  } catch (error) {
    failed = true
    log('error', `${functionName} failed: ${describeError(error)}`)
  }
  const popReceipt = await lease.end()
  if (!failed) await consumer.queue.deleteMessage(message.messageId, popReceipt)
  else if (message.dequeueCount >= options.maxDequeueCount) await moveToPoison(consumer, message, popReceipt, tries)
  else await retryLater(consumer, message, popReceipt)
}

async function moveToPoison(
  { functionName, queue, sendToPoison, log }: QueueConsumer,
  message: DequeuedMessageItem,
  popReceipt: string,
  reason: string,
): Promise<void> {
  if (!sendToPoison) return
  await sendToPoison(message.messageText)
  await queue.deleteMessage(message.messageId, popReceipt)
  log('warning', `${functionName}: a message went from queue ${queue.name} to ${queue.name}-poison: ${reason}.`)
}

async function retryLater(consumer: QueueConsumer, message: DequeuedMessageItem, popReceipt: string): Promise<void> {
  if (!consumer.sendToPoison) return
  const seconds = Math.ceil(consumer.options.visibilityTimeoutMs / 1_000)
  await consumer.queue.updateMessage(message.messageId, popReceipt, undefined, seconds)
}

function decodeMessage(text: string, encoding: QueueOptions['messageEncoding']): Buffer | undefined {
  if (encoding === 'none') return Buffer.from(text)
  return BASE64.test(text) ? Buffer.from(text, 'base64') : undefined
}
