import { type DequeuedMessageItem, QueueClient } from '@azure/storage-queue'
import { AppError } from '../domain/errors.ts'
import type { MessageQueue, ReceivedMessage } from '../ports.ts'
import { fromSdk, statusOf } from './sdk-errors.ts'

interface StorageMessageQueueOptions {
  readonly connectionString: string
  readonly name: string
  /** How long a request may take, its retries included. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 5000
const RETRIES = { maxTries: 3, retryDelayInMs: 100, maxRetryDelayInMs: 1000 }

/** Left out, the queue would drop messages after 7 days. */
const NEVER_EXPIRES = -1
const NEVER_EXPIRES_YEAR = 9999

/**
 * A queue of Azure Queue Storage, made on the first message to it; one that is not there is empty. Bodies travel as
 * base64, as the queue trigger of the Functions host expects. Every method throws `usage_unavailable` when the queue
 * cannot be asked.
 */
export function storageMessageQueue(options: StorageMessageQueueOptions): MessageQueue {
  const { connectionString, name, timeoutMs = TIMEOUT_MS } = options
  let opened: QueueClient | undefined

  const client = (): QueueClient => {
    opened ??= new QueueClient(connectionString, name, { retryOptions: RETRIES })
    return opened
  }

  async function ask<T>(request: (client: QueueClient, abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await request(client(), AbortSignal.timeout(timeoutMs))
    } catch (error) {
      throw asFailure(name, error)
    }
  }

  return {
    send: (body) =>
      ask(async (queue, abortSignal) => {
        const text = Buffer.from(body).toString('base64')
        const send = () => queue.sendMessage(text, { messageTimeToLive: NEVER_EXPIRES, abortSignal })
        await send().catch(async (error: unknown) => {
          if (statusOf(error) !== 404) throw error
          await queue.createIfNotExists({ abortSignal })
          await send()
        })
      }),
    receive: (limit, hiddenSeconds) =>
      ask(async (queue, abortSignal) => {
        const settings = { numberOfMessages: Math.min(limit, 32), visibilityTimeout: hiddenSeconds, abortSignal }
        const reply = await unlessMissing(queue.receiveMessages(settings))
        return reply?.receivedMessageItems.map(asReceived) ?? []
      }),
    remove: ({ id, receipt }) =>
      ask(async (queue, abortSignal) => {
        await queue.deleteMessage(id, receipt, { abortSignal }).catch((error: unknown) => {
          if (!isGone(error)) throw error
        })
      }),
    depth: () =>
      ask(async (queue, abortSignal) => {
        const properties = await unlessMissing(queue.getProperties({ abortSignal }))
        return properties?.approximateMessagesCount ?? 0
      }),
  }
}

async function unlessMissing<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}

/** Deleted, or delivered again since to someone who now holds a newer receipt. */
function isGone(error: unknown): boolean {
  return statusOf(error) === 404 || (error instanceof Error && 'code' in error && error.code === 'PopReceiptMismatch')
}

function asReceived(item: DequeuedMessageItem): ReceivedMessage {
  return {
    id: item.messageId,
    receipt: item.popReceipt,
    body: decode(item.messageText),
    dequeueCount: item.dequeueCount,
    expiresAt: item.expiresOn.getUTCFullYear() >= NEVER_EXPIRES_YEAR ? null : item.expiresOn,
  }
}

/** A message that somebody put there by hand, as plain text, is handed on as it is. */
function decode(text: string): string {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes.toString() : text
}

function asFailure(name: string, error: unknown): unknown {
  const failure = fromSdk(`Queue ${name}`, error)
  if (!(failure instanceof AppError)) return failure
  const { cause } = failure
  return new AppError('usage_unavailable', 'Usage could not be recorded. Try again.', { cause, retryAfterSeconds: 1 })
}
