import { AppError } from '../../domain/errors.ts'
import { type MessageDraft, usageAccumulator } from '../../domain/usage/accumulator.ts'
import type { UsageEvent } from '../../domain/usage/usage.ts'
import type { Meter } from '../../ports/meter.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import type { UsageCodec, UsageRecorder } from '../../ports/usage.ts'
import { throttledWarnings, type Warn } from '../throttled-warnings.ts'
import { type PendingAcks, pendingAcks } from './pending-acks.ts'

export interface QueueRecorderOptions {
  readonly queue: Pick<MessageQueue, 'send'>
  readonly codec: Pick<UsageCodec, 'encode' | 'measure'>
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly meter: Pick<Meter, 'count'>
  /** Returns a number in [0, 1): the full jitter of the backoff. */
  readonly jitter: () => number
  /** Keyed hash of a client address, at most 32 ASCII characters. */
  readonly hashIp: (address: string) => string
  /** `strict`: `record` waits for the queue's acknowledgement. `relaxed`: never waits, and a crash loses uses. */
  readonly durability: 'strict' | 'relaxed'
  /** The name of this process's host, `[A-Za-z0-9_-]`. */
  readonly instance: string
  /** Unique to each recorder of each start of a process. */
  readonly boot: string
  /** The most deltas that may wait: bounds the memory, whatever the queue does. */
  readonly deltasMax?: number
}

export interface BufferedRecorder extends UsageRecorder {
  /** Resolves once the queue has acknowledged every use recorded before the call. */
  flush(): Promise<void>
  /** Uses that `relaxed` has dropped since the start. `strict` refuses uses instead. */
  dropped(): number
}

const SENDS_MAX = 2
const DELTAS_MAX = 20_000
const GATHER_MS = 1000
const REFUSE_AFTER_MS = 2000
const BACKOFF_MS = { first: 50, max: 5000 }

/**
 * Sends uses to the queue at least once. At most two messages are in flight; the uses recorded meanwhile form the next
 * message, without a pause. A failed message is retried without end under the same id, so the sequence has no gap and
 * no acknowledged use is lost. Callers that wait for a message get `usage_unavailable` after 2 s.
 */
export function queueRecorder(options: QueueRecorderOptions): BufferedRecorder {
  const { clock, scheduler, meter } = options
  const strict = options.durability === 'strict'
  const accumulator = usageAccumulator({ measure: options.codec.measure, deltasMax: options.deltasMax ?? DELTAS_MAX })
  const warn = throttledWarnings(options.log, clock)
  const sender = messageSender(options, warn)
  const pending = new Map<MessageDraft, PendingAcks>()
  let pumping = false
  let dropped = 0

  const send = async (draft: MessageDraft): Promise<void> => {
    await sender.send(draft)
    accumulator.release(draft)
    pending.get(draft)?.acknowledge()
    pending.delete(draft)
    pump()
  }

  /** A draft with another draft behind it is full. */
  const isDue = (oldest: MessageDraft): boolean =>
    strict || accumulator.waiting.length > 1 || pending.get(oldest)?.isDue() === true

  const pump = (): void => {
    pumping = false
    while (sender.inFlight() < SENDS_MAX) {
      const [oldest] = accumulator.waiting
      if (oldest === undefined || !isDue(oldest)) return
      accumulator.take()
      void send(oldest)
    }
  }

  /** Once per turn of the event loop, so that uses recorded together share one message. */
  const pumpSoon = (): void => {
    if (pumping || sender.inFlight() >= SENDS_MAX) return
    pumping = true
    queueMicrotask(pump)
  }

  const open = (draft: MessageDraft): PendingAcks => {
    const opened = pendingAcks(scheduler, clock, { refuseAfterMs: REFUSE_AFTER_MS, refusal })
    pending.set(draft, opened)
    if (!strict) scheduler.after(GATHER_MS, () => opened.makeDue(pump))
    return opened
  }

  const refuse = (event: UsageEvent): Promise<void> => {
    meter.count('auth_api_usage_events_total', { result: strict ? 'refused' : 'dropped' }, event.count)
    if (strict) return Promise.reject(refusal())
    dropped += event.count
    warn('Uses were dropped: too many wait for the queue.', { dropped })
    return done
  }

  return {
    record: (event) => {
      const draft = accumulator.add(event, clock.now().getTime())
      if (draft === undefined) return refuse(event)
      meter.count('auth_api_usage_events_total', { result: 'recorded' }, event.count)
      const acks = pending.get(draft) ?? open(draft)
      pumpSoon()
      return strict ? acks.acknowledged() : done
    },
    flush: async () => {
      const waiting = [...pending.values()]
      for (const acks of waiting) acks.makeDue(pump)
      await Promise.all(waiting.map((acks) => acks.delivered))
    },
    dropped: () => dropped,
  }
}

const done = Promise.resolve()

function refusal(): AppError {
  return new AppError('usage_unavailable', 'The use could not be counted in time. Try again.', { retryAfterSeconds: 1 })
}

/** Numbers the messages of this boot 1, 2, 3 … and retries each until the queue acknowledges it. */
function messageSender(options: QueueRecorderOptions, warn: Warn) {
  const { queue, codec, clock, scheduler, jitter, instance, boot, meter } = options
  const unacknowledged = new Set<number>()
  let sequence = 0

  const trySend = async (body: string, failures: number): Promise<boolean> => {
    try {
      await queue.send(body)
      meter.count('auth_api_usage_messages_total', { result: 'sent' })
      return true
    } catch (error) {
      meter.count('auth_api_usage_messages_total', { result: 'failed' })
      const cause = error instanceof AppError ? error.code : 'unknown'
      warn('A usage message was not acknowledged and is sent again.', { failures: failures + 1, cause })
      return false
    }
  }

  const backOff = (failures: number): Promise<void> => {
    const maxMs = Math.min(BACKOFF_MS.max, BACKOFF_MS.first * 2 ** failures)
    return new Promise((resolve) => scheduler.after(maxMs * jitter(), resolve))
  }

  return {
    inFlight: () => unacknowledged.size,
    send: async (draft: MessageDraft): Promise<void> => {
      const number = ++sequence
      unacknowledged.add(number)
      const body = codec.encode({
        batchId: `${instance}.${boot}.${number}`,
        ackedBelow: Math.min(...unacknowledged),
        at: clock.now().toISOString(),
        deltas: draft.deltas(options.hashIp),
        push: null,
      })
      for (let failures = 0; !(await trySend(body, failures)); failures++) await backOff(failures)
      unacknowledged.delete(number)
    },
  }
}
