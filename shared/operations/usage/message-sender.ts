import { AppError } from '../../domain/errors.ts'
import type { MessageDraft } from '../../domain/usage/accumulator.ts'
import type { Meter } from '../../ports/meter.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Scheduler } from '../../ports/runtime.ts'
import type { SpooledBatch } from '../../ports/spool.ts'
import type { RecordedUse, UsageCodec } from '../../ports/usage.ts'
import type { Warn } from '../throttled-warnings.ts'

export interface SenderOptions {
  readonly queue: Pick<MessageQueue, 'send'>
  readonly codec: Pick<UsageCodec, 'encode'>
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly meter: Pick<Meter, 'count'>
  /** Returns a number in [0, 1): the full jitter of the backoff. */
  readonly jitter: () => number
  /** Keyed hash of a client address, at most 32 ASCII characters. */
  readonly hashIp: (address: string) => string
  /** The name of this process's host, `[A-Za-z0-9_-]`. */
  readonly instance: string
  /** Unique to each recorder of each start of a process. */
  readonly boot: string
  /** Takes the messages that the queue does not acknowledge. Without it they wait in memory. */
  readonly fallback?: MessageFallback
}

/** The local disk, in the place of a queue that does not answer. */
export interface MessageFallback {
  /** Whether the queue did not answer the last time and the disk works: messages are kept without a try. */
  isActive(): boolean
  /** Call after a send: `outage` when the queue did not answer. */
  observe(result: 'answered' | 'outage'): void
  /** Stores a message, which is sent from the disk from then on, under its id. Returns false when it was not stored. */
  keep(message: SpooledBatch): Promise<boolean>
  /** The lowest number of this producer that waits on the disk. */
  oldestKept(producer: string): number | undefined
}

const SENDS_MAX = 2
/** While a message of so many deltas is in flight, later uses gather: fewer and larger messages under load. */
const BUSY_DELTAS = 32
const BACKOFF_MS = { first: 50, max: 5000 }

/** Numbers the messages of this boot 1, 2, 3 … and retries each until the queue acknowledges it. */
export function messageSender(options: SenderOptions, warn: Warn) {
  const { queue, codec, clock, scheduler, jitter, meter, fallback } = options
  const producer = `${options.instance}.${options.boot}`
  const unacknowledged = new Map<number, MessageDraft>()
  let sequence = 0

  const trySend = async (body: string, failures: number): Promise<boolean> => {
    try {
      await queue.send(body)
      meter.count('auth_api_usage_messages_total', { result: 'sent' })
      fallback?.observe('answered')
      return true
    } catch (error) {
      meter.count('auth_api_usage_messages_total', { result: 'failed' })
      if (isOutage(error)) fallback?.observe('outage')
      const cause = error instanceof AppError ? error.code : 'unknown'
      warn('A usage message was not acknowledged and is sent again.', { failures: failures + 1, cause })
      return false
    }
  }

  const backOff = (failures: number): Promise<void> => {
    const maxMs = Math.min(BACKOFF_MS.max, BACKOFF_MS.first * 2 ** failures)
    return new Promise((resolve) => scheduler.after(maxMs * jitter(), resolve))
  }

  const untilDurable = async (body: string, isKept: () => Promise<boolean>): Promise<RecordedUse> => {
    for (let failures = 0; !(await isKept()); failures++) {
      if (await trySend(body, failures)) return 'recorded'
      if (await isKept()) break
      await backOff(failures)
    }
    return 'degraded'
  }

  return {
    /** Whether another message may be sent now. `mayGather`: its uses may wait for the next message. */
    hasSlot: (mayGather: boolean): boolean => {
      const isBusy = mayGather && [...unacknowledged.values()].some((draft) => draft.size() >= BUSY_DELTAS)
      return unacknowledged.size < (isBusy ? 1 : SENDS_MAX)
    },
    send: async (draft: MessageDraft): Promise<RecordedUse> => {
      const number = ++sequence
      unacknowledged.set(number, draft)
      const at = clock.now()
      const body = codec.encode({
        batchId: `${producer}.${number}`,
        ackedBelow: Math.min(...unacknowledged.keys(), fallback?.oldestKept(producer) ?? Infinity),
        at: at.toISOString(),
        deltas: draft.deltas(options.hashIp),
        push: null,
      })
      const isKept = async () =>
        fallback?.isActive() === true && (await fallback.keep({ producer, number, body, madeAtMs: at.getTime() }))
      const recorded = await untilDurable(body, isKept)
      unacknowledged.delete(number)
      return recorded
    },
  }
}

/** Whether the queue did not answer. A request that this process refused to send says nothing about the queue. */
export function isOutage(error: unknown): boolean {
  return error instanceof AppError && error.code === 'usage_unavailable'
}
