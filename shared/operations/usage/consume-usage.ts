import { AppError } from '../../domain/errors.ts'
import { fitsTransactions } from '../../domain/usage/message-packing.ts'
import type { UsageBatch } from '../../domain/usage/usage.ts'
import type { Meter } from '../../ports/meter.ts'
import type { MessageQueue, ReceivedMessage } from '../../ports/queue.ts'
import type { Clock, Log } from '../../ports/runtime.ts'
import type { PushLog, UsageCodec } from '../../ports/usage.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import type { UsageAggregator } from './aggregate-usage.ts'

interface UsageConsumerOptions {
  readonly aggregator: UsageAggregator
  readonly queue: MessageQueue
  readonly poison: Pick<MessageQueue, 'send'>
  readonly codec: Pick<UsageCodec, 'parse'>
  readonly pushLog: PushLog
  readonly clock: Clock
  readonly log: Log
  readonly meter: Pick<Meter, 'count' | 'observe'>
  /**
   * How long a message that was taken stays hidden from other instances: after a crash its uses are counted that much
   * later. One that takes longer is delivered again, and found to be counted.
   */
  readonly leaseSeconds?: number
}

/** What became of the messages of one drain. `failed` ones stay in the queue and come again. */
export interface DrainReport {
  readonly counted: number
  readonly poisoned: number
  readonly failed: number
}

export interface UsageConsumer {
  /** Counts the message that the trigger delivered, then drains. A message that is no usage message goes to poison. */
  wake(body: string): Promise<void>
  /** Receives and counts until nothing is there, something fails, or 20 s are over. One drain runs at a time. */
  drain(): Promise<DrainReport>
}

const RECEIVE_LIMIT = 32
const RECEIVES_AT_ONCE = 4
const LEASE_SECONDS = 60
const UNDER_WAY_MAX = 320
const DRAIN_MS = 20_000
const DELIVERIES_MAX = 20

/**
 * Takes usage messages from the queue. A message is deleted only after every partition holds its batch and the push log,
 * where it is part of a push, was told; so a crash anywhere leads to another delivery and never to a loss.
 */
export function usageConsumer(options: UsageConsumerOptions): UsageConsumer {
  const { queue, poison, log, leaseSeconds = LEASE_SECONDS } = options
  const warn = throttledWarnings(log, options.clock)
  let draining: Promise<DrainReport> | undefined

  const bury = async (body: string, why: string): Promise<'poisoned'> => {
    await poison.send(body)
    log('error', 'A usage message was moved to the poison queue.', { why })
    return 'poisoned'
  }

  const measure = ({ at }: UsageBatch, applied: number): void => {
    if (applied === 0) return
    const lagMs = options.clock.now().getTime() - Date.parse(at)
    options.meter.count('auth_api_usage_aggregated_events_total', {}, applied)
    options.meter.observe('auth_api_usage_lag_seconds', {}, Math.max(0, lagMs) / 1000)
  }

  const take = async (body: string): Promise<'counted' | 'poisoned'> => {
    const read = readMessage(options.codec, body)
    if (typeof read === 'string') return bury(body, read)
    const { applied, duplicate, late } = await options.aggregator.submit(read)
    measure(read, applied)
    if (late > 0) log('warn', 'Uses came for a sealed day and were kept aside.', { batchId: read.batchId, late })
    if (read.push !== null) await options.pushLog.partApplied(read.push, { applied: applied + duplicate, late })
    return 'counted'
  }

  const receive = async (): Promise<readonly ReceivedMessage[]> => {
    try {
      return await queue.receive(RECEIVE_LIMIT, leaseSeconds)
    } catch (error) {
      warn('Usage messages could not be received.', { cause: causeOf(error) })
      return []
    }
  }

  const handle = async (message: ReceivedMessage): Promise<keyof DrainReport> => {
    try {
      const spent = message.dequeueCount > DELIVERIES_MAX
      const fate = spent ? await bury(message.body, 'delivered too often') : await take(message.body)
      await queue.remove(message)
      return fate
    } catch (error) {
      warn('A usage message could not be counted and will be delivered again.', { cause: causeOf(error) })
      return 'failed'
    }
  }

  const drain = (): Promise<DrainReport> => {
    draining ??= drainUntilEmpty(receive, handle, options.clock).finally(() => {
      draining = undefined
    })
    return draining
  }

  return {
    drain,
    wake: async (body) => {
      await take(body)
      if (draining === undefined) await drain()
    },
  }
}

function causeOf(error: unknown): string {
  return error instanceof AppError ? error.code : 'unknown'
}

/** The batch, or what is wrong with the message. */
function readMessage(codec: Pick<UsageCodec, 'parse'>, body: string): UsageBatch | string {
  try {
    const batch = codec.parse(body)
    return fitsTransactions(batch.deltas) ? batch : 'too many keys in one partition'
  } catch (error) {
    return error instanceof Error ? error.message : 'unreadable'
  }
}

/**
 * Keeps receiving while messages are being counted, so that there is always something to merge: several times at once as
 * long as the queue is full, and once where it is not, since asking an empty queue costs as much as asking a full one.
 */
async function drainUntilEmpty(
  receive: () => Promise<readonly ReceivedMessage[]>,
  handle: (message: ReceivedMessage) => Promise<keyof DrainReport>,
  clock: Clock,
): Promise<DrainReport> {
  const report = { counted: 0, poisoned: 0, failed: 0 }
  const underWay = new Set<Promise<void>>()
  const endsAtMs = clock.monotonicMs() + DRAIN_MS
  let atOnce = 1
  while (report.failed === 0 && clock.monotonicMs() < endsAtMs) {
    const received = await Promise.all(Array.from({ length: atOnce }, receive))
    const messages = received.flat()
    if (messages.length === 0) break
    for (const message of messages) {
      const handled = handle(message).then((fate) => {
        report[fate]++
        underWay.delete(handled)
      })
      underWay.add(handled)
    }
    atOnce = messages.length === atOnce * RECEIVE_LIMIT ? RECEIVES_AT_ONCE : 1
    while (underWay.size > UNDER_WAY_MAX - atOnce * RECEIVE_LIMIT) await Promise.race(underWay)
  }
  await Promise.all(underWay)
  return report
}
