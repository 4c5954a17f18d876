import { AppError } from '../../domain/errors.ts'
import type { Meter } from '../../ports/meter.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import type { SpooledBatch, UsageSpool } from '../../ports/spool.ts'
import { throttledWarnings, type Warn } from '../throttled-warnings.ts'

export interface DrainNeeds {
  readonly queue: Pick<MessageQueue, 'send'>
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly meter: Meter
  readonly log: Log
  /** Returns a number in [0, 1): the full jitter of the backoff. */
  readonly jitter: () => number
  /** The longest backoff between two tries. */
  readonly intervalMs: number
}

/** Sends the batches of a spool, oldest first. Retries each under one id until the queue acknowledges it. */
export interface SpoolDrain {
  /** Call after batches were stored. */
  wake(): void
  /** Whether the last message was acknowledged by the queue and removed from the spool. */
  isHealthy(): boolean
  /** Resolves when the spool is empty, or after a failure. */
  flush(): Promise<void>
  /** Starts no more sends. Resolves when no message is in flight. */
  stop(): Promise<void>
}

const SENDS_MAX = 2
const FIRST_BACKOFF_MS = 50

/** Keeps at most two messages in flight. Every failure in a row doubles the backoff. */
export function spoolDrain(needs: DrainNeeds, spool: UsageSpool): SpoolDrain {
  const warn = throttledWarnings(needs.log, needs.clock)
  const inFlight = new Map<string, Promise<void>>()
  let failures = 0
  let backingOff = false
  let stopped = false

  const pump = (): void => {
    if (backingOff || stopped) return
    try {
      for (const batch of spool.oldest(SENDS_MAX)) begin(batch)
    } catch (error) {
      warnOf(warn, error, failures)
      backOff()
    }
  }

  const begin = (batch: SpooledBatch): void => {
    const id = batchId(batch)
    if (inFlight.size < SENDS_MAX && !inFlight.has(id)) inFlight.set(id, send(id, batch))
  }

  const send = async (id: string, batch: SpooledBatch): Promise<void> => {
    const moved = await move(needs, spool, batch).then(
      () => true,
      (error: unknown) => warnOf(warn, error, failures),
    )
    inFlight.delete(id)
    if (moved) failures = 0
    else backOff()
    pump()
  }

  const backOff = (): void => {
    if (backingOff) return
    const maxMs = Math.min(needs.intervalMs, FIRST_BACKOFF_MS * 2 ** failures)
    failures++
    backingOff = true
    needs.scheduler.after(maxMs * needs.jitter(), () => {
      backingOff = false
      pump()
    })
  }

  return {
    wake: pump,
    isHealthy: () => failures === 0,
    flush: async () => {
      pump()
      while (inFlight.size > 0 && failures === 0) await Promise.race(inFlight.values())
    },
    stop: async () => {
      stopped = true
      await Promise.all(inFlight.values())
    },
  }
}

/** Sends one batch after another until the spool is empty. Throws the error of the queue or of the disk. */
export async function drainOnce(needs: MoveNeeds, spool: UsageSpool): Promise<void> {
  for (let [batch] = spool.oldest(1); batch !== undefined; [batch] = spool.oldest(1)) await move(needs, spool, batch)
}

type MoveNeeds = Pick<DrainNeeds, 'queue' | 'meter'>

/** At least once: a crash before the removal sends the batch again, under the same id. */
async function move({ queue, meter }: MoveNeeds, spool: UsageSpool, batch: SpooledBatch): Promise<void> {
  try {
    await queue.send(batch.body)
    meter.count('auth_api_usage_messages_total', { result: 'sent' })
  } catch (error) {
    meter.count('auth_api_usage_messages_total', { result: 'failed' })
    throw error
  }
  spool.remove(batch)
}

function warnOf(warn: Warn, error: unknown, failures: number): false {
  const cause = error instanceof AppError ? error.code : 'disk'
  warn('A usage message waits in the spool and is sent again.', { failures: failures + 1, cause })
  return false
}

function batchId({ producer, number }: SpooledBatch): string {
  return `${producer}.${number}`
}
