import { AppError } from '../../domain/errors.ts'
import { type MessageDraft, usageAccumulator } from '../../domain/usage/accumulator.ts'
import type { UsageEvent } from '../../domain/usage/usage.ts'
import type { Meter } from '../../ports/meter.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import type { UsageCodec, UsageRecorder } from '../../ports/usage.ts'
import { throttledWarnings, type Warn } from '../throttled-warnings.ts'
import { type Pending, pendingAcks } from './pending-acks.ts'

export interface QueueRecorderOptions {
  readonly queue: Pick<MessageQueue, 'send'>
  readonly codec: Pick<UsageCodec, 'encode' | 'measure'>
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly meter: Pick<Meter, 'count'>
  /** A number in [0, 1), for the spread of retries. */
  readonly jitter: () => number
  /** Keyed hash of a client address, at most 32 ASCII characters. */
  readonly hashIp: (address: string) => string
  /** `strict`: `record` waits for the queue's acknowledgement. `relaxed`: it waits for nothing; a crash loses what waits. */
  readonly durability: 'strict' | 'relaxed'
  /** Names this process's host, `[A-Za-z0-9_-]`. */
  readonly instance: string
  /** An id that no other start of any process ever had. */
  readonly boot: string
  /** The most deltas that may wait: memory is bounded, whatever the queue does. */
  readonly deltasMax?: number
}

export interface BufferedRecorder extends UsageRecorder {
  /** Resolves once the queue has acknowledged all that was recorded before. */
  flush(): Promise<void>
  /** Uses that `relaxed` could not take, since the start. `strict` refuses instead. */
  dropped(): number
}

const SENDS_MAX = 2
const DELTAS_MAX = 20_000
const GATHER_MS = 1000
const REFUSE_AFTER_MS = 2000
const RETRY_MS = { first: 50, most: 5000 }

/**
 * Sends uses to the queue. At most two messages are on their way; whatever comes meanwhile is the next message, without
 * a pause. A message that fails is sent again, for ever and under the same id, so the sequence has no gap and nothing
 * that was acknowledged is lost; callers who wait for it are told `usage_unavailable` after 2 s.
 */
export function queueRecorder(options: QueueRecorderOptions): BufferedRecorder {
  const { clock, scheduler, meter } = options
  const strict = options.durability === 'strict'
  const accumulator = usageAccumulator({ measure: options.codec.measure, deltasMax: options.deltasMax ?? DELTAS_MAX })
  const warn = throttledWarnings(options.log, clock)
  const outbox = usageOutbox(options, warn)
  const pending = new Map<MessageDraft, Pending>()
  let pumping = false
  let dropped = 0

  const send = async (draft: MessageDraft): Promise<void> => {
    await outbox.send(draft)
    accumulator.release(draft)
    pending.get(draft)?.acknowledge()
    pending.delete(draft)
    pump()
  }

  /** A lot with another one behind it is full. */
  const isDue = (oldest: MessageDraft): boolean =>
    strict || accumulator.waiting.length > 1 || pending.get(oldest)?.isDue() === true

  const pump = (): void => {
    pumping = false
    while (outbox.underWay() < SENDS_MAX) {
      const [oldest] = accumulator.waiting
      if (oldest === undefined || !isDue(oldest)) return
      accumulator.take()
      void send(oldest)
    }
  }

  /** Once per turn of the event loop, so that what is recorded together travels together. */
  const pumpSoon = (): void => {
    if (pumping || outbox.underWay() >= SENDS_MAX) return
    pumping = true
    queueMicrotask(pump)
  }

  const open = (draft: MessageDraft): Pending => {
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
      const carrier = pending.get(draft) ?? open(draft)
      pumpSoon()
      return strict ? carrier.acknowledged() : done
    },
    flush: async () => {
      const carriers = [...pending.values()]
      for (const carrier of carriers) carrier.makeDue(pump)
      await Promise.all(carriers.map((carrier) => carrier.settled))
    },
    dropped: () => dropped,
  }
}

const done = Promise.resolve()

function refusal(): AppError {
  return new AppError('usage_unavailable', 'The use could not be counted in time. Try again.', { retryAfterSeconds: 1 })
}

/** Numbers the messages of this boot 1, 2, 3 … and sends each until the queue has it. */
function usageOutbox(options: QueueRecorderOptions, warn: Warn) {
  const { queue, codec, clock, scheduler, jitter, instance, boot, meter } = options
  const unacknowledged = new Set<number>()
  let sequence = 0

  const isSent = async (body: string, failures: number): Promise<boolean> => {
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

  const pause = (failures: number): Promise<void> => {
    const mostMs = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** failures)
    return new Promise((resolve) => scheduler.after(mostMs * jitter(), resolve))
  }

  return {
    underWay: () => unacknowledged.size,
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
      for (let failures = 0; !(await isSent(body, failures)); failures++) await pause(failures)
      unacknowledged.delete(number)
    },
  }
}
