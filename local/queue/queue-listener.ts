import type { DequeuedMessageItem } from '@azure/storage-queue'
import { describeError } from '../errors.ts'
import { processMessage, type QueueConsumer } from './queue-message.ts'
import { isNotFound } from './queue-storage.ts'

export type QueueListener = {
  /** Polls at once instead of after the backoff. */
  wake: () => void
  /** Receives no further message; resolves when every received message has been processed. */
  stop: () => Promise<void>
}

const POLL_MIN_MS = 100

/**
 * Polls a queue and processes its messages concurrently: one batch, and the next as soon as at most
 * `newBatchThreshold` messages are in process. Polls for a missing queue and never creates it.
 */
export function startQueueListener(consumer: QueueConsumer): QueueListener {
  const { options, log } = consumer
  const running = new Set<Promise<void>>()
  let stopping = false
  let wake = () => {}

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      if (stopping) return resolve()
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const start = (message: DequeuedMessageItem) => {
    const work = processMessage(consumer, message)
      .catch((error) => log('error', `${consumer.functionName}: a message was not settled: ${describeError(error)}`))
      .finally(() => running.delete(work))
    running.add(work)
  }

  /** True when messages were received. */
  const poll = async () => {
    const messages = await receive(consumer)
    for (const message of messages) start(message)
    while (running.size > options.newBatchThreshold) await Promise.race(running)
    return messages.length > 0
  }

  const loop = async () => {
    let emptyPolls = 0
    while (!stopping) {
      emptyPolls = (await poll()) ? 0 : emptyPolls + 1
      if (emptyPolls > 0) await pause(pollDelayMs(emptyPolls, options.maxPollingIntervalMs, Math.random()))
    }
    await Promise.all(running)
  }

  const finished = loop()
  return {
    wake: () => wake(),
    stop: () => {
      stopping = true
      wake()
      return finished
    },
  }
}

/**
 * Exponential backoff after so many empty polls in a row: doubles each time, with a jitter of ±20 %, between 100 ms and
 * the maximum (RandomizedExponentialBackoffStrategy of the WebJobs SDK). `random` lies in [0, 1).
 */
export function pollDelayMs(emptyPolls: number, maxMs: number, random: number): number {
  const increment = (2 ** (emptyPolls - 1) - 1) * POLL_MIN_MS * (0.8 + 0.4 * random)
  return Math.min(POLL_MIN_MS + increment, maxMs)
}

/** Never aborted, not even by `stop`: the messages of an unread response would stay invisible for a whole lease. */
async function receive({ queue, options, leaseSeconds, log }: QueueConsumer): Promise<DequeuedMessageItem[]> {
  try {
    const received = await queue.receiveMessages({
      numberOfMessages: options.batchSize,
      visibilityTimeout: leaseSeconds,
    })
    return received.receivedMessageItems
  } catch (error) {
    if (!isNotFound(error)) log('warning', `Queue ${queue.name} does not answer: ${describeError(error)}`)
    return []
  }
}
