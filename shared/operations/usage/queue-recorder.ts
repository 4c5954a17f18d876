import { AppError } from '../../domain/errors.ts'
import { type MessageDraft, usageAccumulator } from '../../domain/usage/accumulator.ts'
import type { UsageEvent } from '../../domain/usage/usage.ts'
import type { Log } from '../../ports/runtime.ts'
import type { RecordedUse, UsageCodec, UsageRecorder } from '../../ports/usage.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import { messageSender, type SenderOptions } from './message-sender.ts'
import { type PendingAcks, pendingAcks } from './pending-acks.ts'

export interface QueueRecorderOptions extends SenderOptions {
  readonly codec: Pick<UsageCodec, 'encode' | 'measure'>
  readonly log: Log
  /** `strict`: `record` waits until the queue or the fallback has the use. `relaxed`: never waits; a crash loses uses. */
  readonly durability: 'strict' | 'relaxed'
  /** The most memory that uses may take which wait for the queue. */
  readonly bytesMax?: number
}

export interface BufferedRecorder extends UsageRecorder {
  /** Resolves once the queue has acknowledged every use recorded before the call. */
  flush(): Promise<void>
  /** Uses that `relaxed` has dropped since the start. `strict` refuses uses instead. */
  dropped(): number
}

const BYTES_MAX = 16 * 1024 * 1024
const GATHER_MS = 1000
/** While `relaxed` gathers less than this, its messages stay open for the second: later uses of the same keys fold. */
const GATHERED_BYTES = 4 * 1024 * 1024
const REFUSE_AFTER_MS = 2000

/**
 * Sends uses to the queue at least once. At most two messages are in flight; the uses recorded meanwhile form the next
 * message, without a pause. A failed message is kept by the fallback, else retried without end, under the same id, so
 * the sequence has no gap and no acknowledged use is lost. Callers that wait for a message get `usage_unavailable` after
 * 2 s.
 */
export function queueRecorder(options: QueueRecorderOptions): BufferedRecorder {
  const { clock, scheduler, meter, bytesMax = BYTES_MAX } = options
  const strict = options.durability === 'strict'
  const accumulator = usageAccumulator({ measure: options.codec.measure, bytesMax })
  const warn = throttledWarnings(options.log, clock)
  const sender = messageSender(options, warn)
  /** A draft with another draft behind it is full. */
  const anyFull = () =>
    accumulator.waiting.length > 1 && (strict || accumulator.bytes() > Math.min(GATHERED_BYTES, bytesMax / 4))
  const hasSlot = () => sender.hasSlot(strict && !anyFull())
  const pending = new Map<MessageDraft, PendingAcks>()
  let pumping = false
  let dropped = 0

  const send = async (draft: MessageDraft): Promise<void> => {
    const recorded = await sender.send(draft)
    accumulator.release(draft)
    pending.get(draft)?.acknowledge(recorded)
    pending.delete(draft)
    pump()
  }

  const pump = (): void => {
    pumping = false
    while (hasSlot()) {
      const [oldest] = accumulator.waiting
      if (oldest === undefined || !(strict || anyFull() || pending.get(oldest)?.isDue())) return
      accumulator.take()
      void send(oldest)
    }
  }

  /** Once per turn of the event loop, so that uses recorded together share one message. */
  const pumpSoon = (): void => {
    if (pumping || !hasSlot()) return
    pumping = true
    queueMicrotask(pump)
  }

  const open = (draft: MessageDraft): PendingAcks => {
    const opened = pendingAcks(scheduler, clock, { refuseAfterMs: REFUSE_AFTER_MS, refusal })
    pending.set(draft, opened)
    if (!strict) scheduler.after(GATHER_MS, () => opened.makeDue(pump))
    return opened
  }

  const refuse = (event: UsageEvent): Promise<RecordedUse> => {
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

const done = Promise.resolve('recorded' as const)

function refusal(): AppError {
  return new AppError('usage_unavailable', 'The use could not be counted in time. Try again.', { retryAfterSeconds: 1 })
}
