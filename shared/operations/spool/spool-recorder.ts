import { AppError } from '../../domain/errors.ts'
import { type MessageDraft, usageAccumulator } from '../../domain/usage/accumulator.ts'
import type { UsageEvent } from '../../domain/usage/usage.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import type { UsageSpool } from '../../ports/spool.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import type { BufferedRecorder } from '../usage/queue-recorder.ts'
import { type BatchNeeds, batchUses } from './batch-uses.ts'
import type { SpoolDrain } from './drain-spool.ts'

interface SpoolRecorderOptions extends BatchNeeds {
  readonly spool: UsageSpool
  readonly drain: Pick<SpoolDrain, 'wake' | 'isHealthy' | 'flush'>
  /** `<instance>.<boot>`, which no other start of any process ever had. */
  readonly producer: string
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly meter: Meter
  readonly log: Log
  /** How long uses are gathered into one message while the queue does not answer; at most a second while it does. */
  readonly intervalMs: number
  /** Takes over where the disk fails: never less than what was promised. */
  readonly strict: () => BufferedRecorder
}

export interface SpoolRecorder extends BufferedRecorder {
  /** Whether the disk failed, so that another recorder has taken over. */
  hasFailed(): boolean
}

/** The uses of one turn of the event loop, and those who wait for them. */
interface Turn {
  readonly events: UsageEvent[]
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (refusal: AppError) => void
}

const GATHER_MS = 1000
/** Loose uses take more room than the batch that they become: with few keys they would fill the spool while that is small. */
const LOOSE_USES_MAX = 20_000

/**
 * Keeps uses on the local disk before `record` resolves: all of one turn of the event loop with one sync. From there they
 * go to the queue in batches. A full spool refuses; after a failure of the disk another recorder takes over.
 */
export function spoolRecorder(options: SpoolRecorderOptions): SpoolRecorder {
  const { spool, drain, producer, meter } = options
  const disk = careful(options.log)
  const batching = usesToBatch(options, disk)
  const warn = throttledWarnings(options.log, options.clock)
  let turn: Turn | undefined

  const commit = (): void => {
    if (turn === undefined) return
    const { events, resolve, reject } = turn
    turn = undefined
    const kept = disk.attempt(() => spool.append(producer, events))
    meter.count('auth_api_usage_events_total', { result: kept === 'kept' ? 'recorded' : 'refused' }, events.length)
    if (kept === 'kept') {
      batching.add(events)
      resolve()
      return
    }
    if (kept === 'full') warn('The spool of uses is full.', { bytes: spool.fill().bytes })
    reject(refusal())
  }

  return {
    record: (event) => {
      if (disk.failed()) return options.strict().record(event)
      turn ??= openTurn(commit)
      turn.events.push(event)
      return turn.promise
    },
    flush: async () => {
      commit()
      batching.now()
      await drain.flush()
      if (disk.failed()) await options.strict().flush()
    },
    dropped: () => 0,
    hasFailed: disk.failed,
  }
}

/** Uses that are loose on the disk, folded in memory into what a batch says of them. */
function usesToBatch(options: SpoolRecorderOptions, disk: Disk) {
  const { spool, drain, producer, clock, scheduler, intervalMs } = options
  const accumulator = usageAccumulator({ measure: options.codec.measure, deltasMax: Infinity })
  let closed: MessageDraft[] = []
  let loose = 0
  let cancelBatching: (() => void) | undefined

  const batchNow = (): void => {
    cancelBatching?.()
    cancelBatching = undefined
    for (let draft = accumulator.take(); draft !== undefined; draft = accumulator.take()) closed.push(draft)
    const stored = disk.attempt(() => batchUses(options, spool, { producer, drafts: closed, at: clock.now() }))
    if (stored === 'full') batchLater()
    if (stored !== 'stored') return
    closed = []
    loose = 0
    drain.wake()
  }

  const batchLater = (): void => {
    const delayMs = drain.isHealthy() ? Math.min(GATHER_MS, intervalMs) : intervalMs
    cancelBatching ??= scheduler.after(delayMs, batchNow)
  }

  return {
    add: (events: readonly UsageEvent[]): void => {
      const nowMs = clock.now().getTime()
      for (const event of events) accumulator.add(event, nowMs)
      loose += events.length
      // A draft with another one behind it is full.
      if (accumulator.waiting.length > 1 || loose >= LOOSE_USES_MAX) batchNow()
      else batchLater()
    },
    now: batchNow,
  }
}

interface Disk {
  /** What `step` says, or `failed`: then, and from then on, nobody knows what is on the disk. */
  attempt<Result>(step: () => Result): Result | 'failed'
  failed(): boolean
}

/** What may be on the disk is sent by nobody before the next start, which looks: sent from memory, it might count twice. */
function careful(log: Log): Disk {
  let failed = false
  return {
    attempt: (step) => {
      if (failed) return 'failed'
      try {
        return step()
      } catch (error) {
        failed = true
        const cause = error instanceof Error ? error.message : 'unknown'
        log('error', 'The local disk failed. From now on uses are answered when the queue has them.', { cause })
        return 'failed'
      }
    },
    failed: () => failed,
  }
}

function openTurn(commit: () => void): Turn {
  setImmediate(commit)
  return { events: [], ...Promise.withResolvers<void>() }
}

function refusal(): AppError {
  return new AppError('usage_unavailable', 'The use could not be counted in time. Try again.', { retryAfterSeconds: 1 })
}
