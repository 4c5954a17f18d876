import pLimit from 'p-limit'
import { AppError } from '../../domain/errors.ts'
import { dayName } from '../../domain/usage/calendar.ts'
import { fitsTransactions } from '../../domain/usage/message-packing.ts'
import { splitByPartition } from '../../domain/usage/partition.ts'
import type { PoisonReason } from '../../domain/usage/poison.ts'
import type { PushPart, UsageBatch, UsageDelta } from '../../domain/usage/usage.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { PoisonStore } from '../../ports/poison.ts'
import type { MessageQueue, ReceivedMessage } from '../../ports/queue.ts'
import type { Clock, Log } from '../../ports/runtime.ts'
import type { PushLog, UsageCodec, UsageLedger } from '../../ports/usage.ts'
import type { RollUpMarks } from '../../ports/usage-reports.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import type { UsageAggregator } from './aggregate-usage.ts'
import { setAside } from './set-aside.ts'

interface UsageConsumerOptions {
  readonly aggregator: UsageAggregator
  readonly queue: MessageQueue
  readonly poison: Pick<MessageQueue, 'send'>
  readonly poisoned: Pick<PoisonStore, 'put'>
  readonly ledger: Pick<UsageLedger, 'readMeta'>
  readonly codec: Pick<UsageCodec, 'parse' | 'erase'>
  readonly keys: Pick<KeyStore, 'findById'>
  readonly pushLog: PushLog
  readonly marks: Pick<RollUpMarks, 'request'>
  readonly clock: Clock
  readonly log: Log
  readonly meter: Pick<Meter, 'count' | 'observe'>
  /**
   * How long a received message stays hidden from other instances: after a crash its uses are counted that much later.
   * A message that takes longer is delivered again, and is a duplicate.
   */
  readonly leaseSeconds?: number
}

/** The messages of one drain by outcome. `failed` messages stay in the queue and are delivered again. */
export interface DrainReport {
  readonly counted: number
  readonly setAside: number
  readonly failed: number
}

export interface UsageConsumer {
  /** Counts the message that the trigger delivered, then drains. A message that cannot be counted is set aside. */
  wake(body: string): Promise<void>
  /** Receives and counts until the queue is empty, a message fails or 20 s have passed. Callers share one drain. */
  drain(): Promise<DrainReport>
}

const RECEIVE_LIMIT = 32
const RECEIVES_AT_ONCE = 4
const LEASE_SECONDS = 60
const IN_FLIGHT_MAX = 320
const DRAIN_MS = 20_000
const DELIVERIES_MAX = 20
const READS_AT_ONCE = 16

/**
 * Consumes usage messages at least once. Sets a message aside that is no usage message, that has uses which the store
 * refuses for what is in them (its other uses count), or that was delivered too often while the tables answer. A message is deleted only after every partition holds its batch and, for a
 * part of a push, after the push log was told. A crash at any point leads to a redelivery and never to a loss.
 */
export function usageConsumer(options: UsageConsumerOptions): UsageConsumer {
  const { queue, log, leaseSeconds = LEASE_SECONDS } = options
  const warn = throttledWarnings(log, options.clock)
  let draining: Promise<DrainReport> | undefined

  const moveAside = async (body: string, reason: PoisonReason, why: string): Promise<'setAside'> => {
    await setAside(options, body, reason, why)
    return 'setAside'
  }

  const measure = ({ at }: UsageBatch, applied: number): void => {
    if (applied === 0) return
    const lagMs = options.clock.now().getTime() - Date.parse(at)
    options.meter.count('auth_api_usage_aggregated_events_total', {}, applied)
    options.meter.observe('auth_api_usage_lag_seconds', {}, Math.max(0, lagMs) / 1000)
  }

  const count = async (body: string): Promise<'counted' | 'setAside'> => {
    const read = readMessage(options.codec, body)
    if (typeof read === 'string') return moveAside(body, 'unreadable', read)
    const { applied, duplicate, late, refused, refusal } = await options.aggregator.submit(read)
    measure(read, applied)
    if (late > 0) log('warn', 'Uses came for a sealed day and were kept aside.', { batchId: read.batchId, late })
    if (refused > 0) return moveAside(body, 'refused', `${refused} uses: ${refusal}`)
    if (read.push !== null) await tellPushLog(options, read.push, read.deltas, { applied: applied + duplicate, late })
    return 'counted'
  }

  /** Throws while the tables do not answer: a message waits as long as an outage lasts. */
  const giveUp = async (body: string): Promise<'setAside'> => {
    await options.ledger.readMeta({ day: dayName(options.clock.now()), shard: '00' })
    return moveAside(body, 'delivered_too_often', `delivered more than ${DELIVERIES_MAX} times`)
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
      const exhausted = message.dequeueCount > DELIVERIES_MAX
      const outcome = exhausted ? await giveUp(message.body) : await count(message.body)
      await queue.remove(message)
      return outcome
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
      await count(body)
      if (draining === undefined) await drain()
    },
  }
}

/**
 * Tells the push log which partitions hold the part, so that it is `completed` only when reports show it. Asks the roll-up
 * for the days that it would look at only in the next hour.
 */
async function tellPushLog(
  { ledger, marks, pushLog, clock }: Pick<UsageConsumerOptions, 'ledger' | 'marks' | 'pushLog' | 'clock'>,
  push: PushPart,
  deltas: readonly UsageDelta[],
  counts: { readonly applied: number; readonly late: number },
): Promise<void> {
  const held = splitByPartition(deltas).map(({ partition }) => partition)
  const partitions = await pLimit(READS_AT_ONCE).map(held, async (partition) => {
    const { batches } = await ledger.readMeta(partition)
    return { ...partition, batches }
  })
  const days = new Set(held.map(({ day }) => day).filter((day) => day < dayName(clock.now(), 1)))
  await pLimit(READS_AT_ONCE).map(days, (day) => marks.request(day))
  await pushLog.partApplied(push, { ...counts, partitions })
}

function causeOf(error: unknown): string {
  return error instanceof AppError ? error.code : 'unknown'
}

/** Returns the batch, or the reason why the message is invalid. */
function readMessage(codec: Pick<UsageCodec, 'parse'>, body: string): UsageBatch | string {
  try {
    const batch = codec.parse(body)
    return fitsTransactions(batch.deltas) ? batch : 'too many keys in one partition'
  } catch (error) {
    return error instanceof Error ? error.message : 'unreadable'
  }
}

/**
 * Keeps receiving while messages are being counted, so that there is always something to merge. Makes 4 receive calls
 * at once while all of them come back full, else one: a call to an empty queue costs as much as a call to a full one.
 */
async function drainUntilEmpty(
  receive: () => Promise<readonly ReceivedMessage[]>,
  handle: (message: ReceivedMessage) => Promise<keyof DrainReport>,
  clock: Clock,
): Promise<DrainReport> {
  const report = { counted: 0, setAside: 0, failed: 0 }
  const inFlight = new Set<Promise<void>>()
  const endsAtMs = clock.monotonicMs() + DRAIN_MS
  let calls = 1
  while (report.failed === 0 && clock.monotonicMs() < endsAtMs) {
    const received = await Promise.all(Array.from({ length: calls }, receive))
    const messages = received.flat()
    if (messages.length === 0) break
    for (const message of messages) {
      const handled = handle(message).then((outcome) => {
        report[outcome]++
        inFlight.delete(handled)
      })
      inFlight.add(handled)
    }
    calls = messages.length === calls * RECEIVE_LIMIT ? RECEIVES_AT_ONCE : 1
    while (inFlight.size > IN_FLIGHT_MAX - calls * RECEIVE_LIMIT) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
  return report
}
