import type { TokenCredential } from '@azure/identity'
import { type DequeuedMessageItem, QueueClient } from '@azure/storage-queue'
import { AppError } from '../domain/errors.ts'
import type { MessageQueue, ReceivedMessage } from '../ports/queue.ts'
import { ANSWERED } from './guard/classify-outcome.ts'
import { type Guard, openGuard } from './guard/guard.ts'
import { fromSdk, statusOf } from './guard/sdk-errors.ts'

/** The account of the queues, opened by a connection string or by the app's own identity. */
export type QueueAccount =
  | { readonly connectionString: string }
  | { readonly endpoint: string; readonly credential: TokenCredential }

type StorageMessageQueueOptions = QueueAccount & {
  readonly name: string
  /** A caller may wait for a send; the rest is background work. Without them, one guard with the default policy. */
  readonly guards?: { readonly send: Guard; readonly rest: Guard }
}

type Request<T> = (queue: QueueClient, abortSignal: AbortSignal) => Promise<T>

/** Without it the queue would drop messages after 7 days. */
const NEVER_EXPIRES = -1
const NEVER_EXPIRES_YEAR = 9999

/** The scope of the SDK's tokens. */
const SCOPE = 'https://storage.azure.com/.default'

/**
 * A queue of Azure Queue Storage, created by the first message to it; a missing queue is empty. Bodies travel as base64, as
 * the queue trigger of the Functions host expects. Every method throws `usage_unavailable` while the queue is unavailable,
 * and `overloaded` where the guard refuses the request.
 */
export function storageMessageQueue(options: StorageMessageQueueOptions): MessageQueue {
  const { name, guards = sameGuard(openGuard({ name: 'queue' })) } = options
  let opened: QueueClient | undefined

  const client = (): QueueClient => {
    opened ??= openClient(options)
    return opened
  }
  const requestThrough = (guard: Guard) => {
    return async <T>(call: Request<T>): Promise<T> => {
      // Fetched before the guard's deadline starts: a slow token is not the queue's fault.
      if ('credential' in options) await options.credential.getToken(SCOPE)
      return guard.run((abortSignal) => call(client(), abortSignal), answered)
    }
  }
  const request = requestThrough(guards.rest)
  const requestSend = requestThrough(guards.send)

  async function send(messageText: string, delaySeconds: number): Promise<void> {
    const settings = { messageTimeToLive: NEVER_EXPIRES, visibilityTimeout: delaySeconds }
    await requestSend((queue, abortSignal) => queue.sendMessage(messageText, { ...settings, abortSignal }))
  }

  return {
    send: (body, delaySeconds = 0) =>
      translatingErrors(name, async () => {
        const text = Buffer.from(body).toString('base64')
        await send(text, delaySeconds).catch(async (error: unknown) => {
          if (statusOf(error) !== 404) throw error
          await requestSend((queue, abortSignal) => queue.createIfNotExists({ abortSignal }))
          await send(text, delaySeconds)
        })
      }),
    receive: (limit, hiddenSeconds) =>
      translatingErrors(name, async () => {
        const settings = { numberOfMessages: Math.min(limit, 32), visibilityTimeout: hiddenSeconds }
        const received = request((queue, abortSignal) => queue.receiveMessages({ ...settings, abortSignal }))
        return (await unlessMissing(received))?.receivedMessageItems.map(asReceived) ?? []
      }),
    remove: ({ id, receipt }) =>
      translatingErrors(name, async () => {
        const removed = request((queue, abortSignal) => queue.deleteMessage(id, receipt, { abortSignal }))
        await removed.catch((error: unknown) => {
          if (!isGone(error)) throw error
        })
      }),
    depth: () =>
      translatingErrors(name, async () => {
        const properties = await unlessMissing(request((queue, abortSignal) => queue.getProperties({ abortSignal })))
        return properties?.approximateMessagesCount ?? 0
      }),
  }
}

const answered = () => ANSWERED
const sameGuard = (guard: Guard) => ({ send: guard, rest: guard })

/** The SDK's own retries are off: they have no retry budget. */
function openClient(options: StorageMessageQueueOptions): QueueClient {
  const settings = { retryOptions: { maxTries: 1 } }
  if (!('credential' in options)) return new QueueClient(options.connectionString, options.name, settings)
  return new QueueClient(`${options.endpoint}/${options.name}`, options.credential, settings)
}

async function translatingErrors<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw asFailure(name, error)
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

/** Deleted, or delivered again since to a consumer with a newer receipt. */
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

/** Returns a message that an operator sent as plain text as it is. */
function decode(text: string): string {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes.toString() : text
}

function asFailure(name: string, error: unknown): unknown {
  const failure = fromSdk(`Queue ${name}`, error)
  if (!(failure instanceof AppError) || failure.code === 'overloaded') return failure
  const { cause, retryAfterSeconds = 1 } = failure
  return new AppError('usage_unavailable', 'Usage could not be recorded. Try again.', { cause, retryAfterSeconds })
}
