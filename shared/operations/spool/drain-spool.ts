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
  /** A number in [0, 1), for the spread of retries. */
  readonly jitter: () => number
  /** The longest pause between two tries. */
  readonly intervalMs: number
}

/** Sends what is in a spool, oldest first, each batch under one id until the queue has it. */
export interface SpoolDrain {
  /** Something was sealed. */
  wake(): void
  /** Whether the queue took the last message. */
  isHealthy(): boolean
  /** Resolves when the spool is empty, or the queue did not take a message. */
  flush(): Promise<void>
  /** Sends nothing more; resolves when nothing is under way. */
  stop(): Promise<void>
}

const SENDS_MAX = 2
const FIRST_RETRY_MS = 50

/** At most two messages are on their way at a time. A failure ends in a pause, twice as long every time. */
export function spoolDrain(needs: DrainNeeds, spool: UsageSpool): SpoolDrain {
  const warn = throttledWarnings(needs.log, needs.clock)
  const underWay = new Map<string, Promise<void>>()
  let failures = 0
  let paused = false
  let stopped = false

  const pump = (): void => {
    if (paused || stopped) return
    try {
      for (const batch of spool.oldest(SENDS_MAX)) begin(batch)
    } catch (error) {
      complainOf(warn, error, failures)
      pause()
    }
  }

  const begin = (batch: SpooledBatch): void => {
    const id = batchId(batch)
    if (underWay.size < SENDS_MAX && !underWay.has(id)) underWay.set(id, send(id, batch))
  }

  const send = async (id: string, batch: SpooledBatch): Promise<void> => {
    const moved = await move(needs, spool, batch).then(
      () => true,
      (error: unknown) => complainOf(warn, error, failures),
    )
    underWay.delete(id)
    if (moved) failures = 0
    else pause()
    pump()
  }

  const pause = (): void => {
    if (paused) return
    const mostMs = Math.min(needs.intervalMs, FIRST_RETRY_MS * 2 ** failures)
    failures++
    paused = true
    needs.scheduler.after(mostMs * needs.jitter(), () => {
      paused = false
      pump()
    })
  }

  return {
    wake: pump,
    isHealthy: () => failures === 0,
    flush: async () => {
      pump()
      while (underWay.size > 0 && failures === 0) await Promise.race(underWay.values())
    },
    stop: async () => {
      stopped = true
      await Promise.all(underWay.values())
    },
  }
}

/** Sends one batch after the other until the spool is empty. Throws what the queue or the disk throws. */
export async function drainOnce(needs: MoveNeeds, spool: UsageSpool): Promise<void> {
  for (let [batch] = spool.oldest(1); batch !== undefined; [batch] = spool.oldest(1)) await move(needs, spool, batch)
}

type MoveNeeds = Pick<DrainNeeds, 'queue' | 'meter'>

/** A crash in between sends the batch once more, under its id. */
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

function complainOf(warn: Warn, error: unknown, failures: number): false {
  const cause = error instanceof AppError ? error.code : 'disk'
  warn('A usage message waits in the spool and is sent again.', { failures: failures + 1, cause })
  return false
}

function batchId({ producer, number }: SpooledBatch): string {
  return `${producer}.${number}`
}
