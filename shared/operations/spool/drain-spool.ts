import { AppError } from '../../domain/errors.ts'
import type { Meter } from '../../ports/meter.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import type { SpooledBatch, UsageSpool } from '../../ports/spool.ts'
import { throttledWarnings, type Warn } from '../throttled-warnings.ts'
import { isOutage } from '../usage/message-sender.ts'

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
  /** Whether the queue did not answer the last message, of the spool or of another sender. */
  isQueueDown(): boolean
  /** Tells the result of another sender's message. */
  observe(result: 'answered' | 'outage'): void
  /** Retries until the spool is empty or the drain is stopped. */
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
  const health = queueHealth(needs)
  const progress = signal()
  let stopped = false

  const pump = (): void => {
    if (health.isBackingOff() || stopped) return
    try {
      for (const batch of spool.oldest(SENDS_MAX)) begin(batch)
    } catch (error) {
      warnOf(warn, error, health.failures())
      health.fail(error, resume)
    }
  }

  const resume = (): void => {
    pump()
    progress.report()
  }

  const begin = (batch: SpooledBatch): void => {
    const id = batchId(batch)
    if (inFlight.size < SENDS_MAX && !inFlight.has(id)) inFlight.set(id, send(id, batch))
  }

  const send = async (id: string, batch: SpooledBatch): Promise<void> => {
    try {
      await move(needs, spool, batch)
      health.recover()
    } catch (error) {
      warnOf(warn, error, health.failures())
      health.fail(error, resume)
    }
    inFlight.delete(id)
    resume()
  }

  return {
    wake: pump,
    isHealthy: () => health.failures() === 0,
    isQueueDown: health.isQueueDown,
    observe: (result) => {
      if (result === 'outage') health.lose(resume)
      else if (health.isQueueDown()) health.recover()
    },
    flush: async () => {
      pump()
      while (!stopped && !isEmpty(spool)) await progress.next()
    },
    stop: async () => {
      stopped = true
      progress.report()
      await Promise.all(inFlight.values())
    },
  }
}

/** Whether the queue answers, and the backoff while it does not. */
function queueHealth({ scheduler, jitter, intervalMs }: Pick<DrainNeeds, 'scheduler' | 'jitter' | 'intervalMs'>) {
  let failures = 0
  let queueDown = false
  let backingOff = false

  const backOff = (resume: () => void): void => {
    if (backingOff) return
    const maxMs = Math.min(intervalMs, FIRST_BACKOFF_MS * 2 ** failures)
    failures++
    backingOff = true
    scheduler.after(maxMs * jitter(), () => {
      backingOff = false
      resume()
    })
  }

  return {
    failures: () => failures,
    isQueueDown: () => queueDown,
    isBackingOff: () => backingOff,
    recover: () => {
      failures = 0
      queueDown = false
    },
    /** Also for failures of the disk. */
    fail: (error: unknown, resume: () => void) => {
      queueDown ||= isOutage(error)
      backOff(resume)
    },
    lose: (resume: () => void) => {
      queueDown = true
      backOff(resume)
    },
  }
}

/** Callers of `next` wait for the next `report`. */
function signal() {
  let { promise, resolve } = Promise.withResolvers<void>()
  return {
    next: () => promise,
    report: () => {
      resolve()
      ;({ promise, resolve } = Promise.withResolvers<void>())
    },
  }
}

/** A disk that cannot be read holds nothing that could be sent now. */
function isEmpty(spool: UsageSpool): boolean {
  try {
    return spool.oldest(1).length === 0
  } catch {
    return true
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

function warnOf(warn: Warn, error: unknown, failures: number): void {
  const cause = error instanceof AppError ? error.code : 'disk'
  warn('A usage message waits in the spool and is sent again.', { failures: failures + 1, cause })
}

function batchId({ producer, number }: SpooledBatch): string {
  return `${producer}.${number}`
}
