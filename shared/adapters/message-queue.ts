import type { TokenCredential } from '@azure/identity'
import { type DequeuedMessageItem, QueueClient } from '@azure/storage-queue'
import { AppError } from '../domain/errors.ts'
import type { MessageQueue, ReceivedMessage } from '../ports/queue.ts'
import { ANSWERED } from './guard/classify-outcome.ts'
import { type Guard, openGuard } from './guard/guard.ts'
import { fromSdk, statusOf } from './guard/sdk-errors.ts'

/** Where queues are, by a connection string or by the app's own identity. */
export type QueueAccount =
  | { readonly connectionString: string }
  | { readonly endpoint: string; readonly credential: TokenCredential }

type StorageMessageQueueOptions = QueueAccount & {
  readonly name: string
  /** What every request goes through: a caller may wait for a send, nobody for the rest. Without one, a patient guard. */
  readonly guards?: { readonly send: Guard; readonly rest: Guard }
}

type Request<T> = (queue: QueueClient, abortSignal: AbortSignal) => Promise<T>

/** Left out, the queue would drop messages after 7 days. */
const NEVER_EXPIRES = -1
const NEVER_EXPIRES_YEAR = 9999

/** What the SDK asks a token for. */
const SCOPE = 'https://storage.azure.com/.default'

/**
 * A queue of Azure Queue Storage, made on the first message to it; one that is not there is empty. Bodies travel as
 * base64, as the queue trigger of the Functions host expects. Every method throws `usage_unavailable` when the queue
 * cannot be asked.
 */
export function storageMessageQueue(options: StorageMessageQueueOptions): MessageQueue {
  const { name, guards = alike(openGuard({ name: 'queue' })) } = options
  let opened: QueueClient | undefined

  const client = (): QueueClient => {
    opened ??= openClient(options)
    return opened
  }
  const through = (guard: Guard) => {
    return async <T>(request: Request<T>): Promise<T> => {
      // Had before the guard's time begins: a token that takes its time is not the queue's fault.
      if ('credential' in options) await options.credential.getToken(SCOPE)
      return guard.run((abortSignal) => request(client(), abortSignal), answered)
    }
  }
  const ask = through(guards.rest)
  const askToSend = through(guards.send)

  async function send(messageText: string): Promise<void> {
    const settings = { messageTimeToLive: NEVER_EXPIRES }
    await askToSend((queue, abortSignal) => queue.sendMessage(messageText, { ...settings, abortSignal }))
  }

  return {
    send: (body) =>
      translating(name, async () => {
        const text = Buffer.from(body).toString('base64')
        await send(text).catch(async (error: unknown) => {
          if (statusOf(error) !== 404) throw error
          await askToSend((queue, abortSignal) => queue.createIfNotExists({ abortSignal }))
          await send(text)
        })
      }),
    receive: (limit, hiddenSeconds) =>
      translating(name, async () => {
        const settings = { numberOfMessages: Math.min(limit, 32), visibilityTimeout: hiddenSeconds }
        const received = ask((queue, abortSignal) => queue.receiveMessages({ ...settings, abortSignal }))
        return (await unlessMissing(received))?.receivedMessageItems.map(asReceived) ?? []
      }),
    remove: ({ id, receipt }) =>
      translating(name, async () => {
        const removed = ask((queue, abortSignal) => queue.deleteMessage(id, receipt, { abortSignal }))
        await removed.catch((error: unknown) => {
          if (!isGone(error)) throw error
        })
      }),
    depth: () =>
      translating(name, async () => {
        const properties = await unlessMissing(ask((queue, abortSignal) => queue.getProperties({ abortSignal })))
        return properties?.approximateMessagesCount ?? 0
      }),
  }
}

const answered = () => ANSWERED
const alike = (guard: Guard) => ({ send: guard, rest: guard })

/** The SDK's own retries are off: they know no budget. */
function openClient(options: StorageMessageQueueOptions): QueueClient {
  const settings = { retryOptions: { maxTries: 1 } }
  if (!('credential' in options)) return new QueueClient(options.connectionString, options.name, settings)
  return new QueueClient(`${options.endpoint}/${options.name}`, options.credential, settings)
}

async function translating<T>(name: string, work: () => Promise<T>): Promise<T> {
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
  const { cause, retryAfterSeconds = 1 } = failure
  return new AppError('usage_unavailable', 'Usage could not be recorded. Try again.', { cause, retryAfterSeconds })
}
