import { AppError } from '../../domain/errors.ts'
import { type MessageDraft, usageAccumulator } from '../../domain/usage/accumulator.ts'
import type { UsageEvent } from '../../domain/usage/usage.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import type { SpooledBatch, UsageSpool } from '../../ports/spool.ts'
import type { RecordedUse } from '../../ports/usage.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import type { BufferedRecorder } from '../usage/queue-recorder.ts'
import { type BatchNeeds, batchUses } from './batch-uses.ts'
import type { BootLog } from './boot-log.ts'
import type { SpoolDrain } from './drain-spool.ts'

interface SpoolRecorderOptions extends BatchNeeds {
  readonly spool: UsageSpool
  readonly drain: Pick<SpoolDrain, 'wake' | 'isHealthy' | 'flush'>
  readonly boots: Pick<BootLog, 'hold'>
  /** `<instance>.<boot>`, unique to this start of the process. */
  readonly producer: string
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly meter: Meter
  readonly log: Log
  /** How long uses are gathered into one message while the queue is down; at most 1 s while it is up. */
  readonly intervalMs: number
  /** Takes over when the disk fails, so no durability that was promised is lost. */
  readonly strict: () => BufferedRecorder
}

export interface SpoolRecorder extends BufferedRecorder {
  /** Stores a message of another sender, to be sent under its id. Returns false when the disk is full or failed. */
  keep(message: SpooledBatch): Promise<boolean>
  /** Whether the disk failed and another recorder took over. */
  hasFailed(): boolean
}

/** The uses of one turn of the event loop, and the promise that their callers wait for. */
interface Turn {
  readonly events: UsageEvent[]
  readonly promise: Promise<RecordedUse>
  readonly resolve: (as: RecordedUse) => void
  readonly reject: (refusal: AppError) => void
}

const GATHER_MS = 1000
/** Loose uses take more room than their batch: many uses of few keys would fill the spool, their batch would not. */
const LOOSE_USES_MAX = 20_000
/** From so many waiting messages on, the queue is behind. */
const BEHIND_MESSAGES = 2
/** What gathers in memory meanwhile, at most: then it becomes messages, which wait on the disk. */
const GATHERED_BYTES_MAX = 8 * 1024 * 1024

/**
 * The outbox pattern: uses are on the local disk before `record` resolves, and go from there to the queue in batches.
 * One sync stores all uses of one turn of the event loop (group commit). A full spool refuses uses. After a failure of
 * the disk another recorder takes over.
 */
export function spoolRecorder(options: SpoolRecorderOptions): SpoolRecorder {
  const { spool, drain, producer, meter, boots } = options
  const disk = failStop(options.log)
  const batching = usesToBatch(options, disk)
  const warn = throttledWarnings(options.log, options.clock)
  let turn: Turn | undefined

  /** Answers once the store knows that this disk holds uses; only the first answers wait for that. */
  const answer = ({ resolve }: Turn): void => {
    const told = boots.hold()
    if (told === undefined) resolve('recorded')
    else void told.then(() => resolve('recorded'))
  }

  const commit = (): void => {
    const ended = turn
    if (ended === undefined) return
    turn = undefined
    const { events } = ended
    const appended = disk.attempt(() => spool.append(producer, events))
    meter.count('auth_api_usage_events_total', { result: appended === 'kept' ? 'recorded' : 'refused' }, events.length)
    if (appended === 'kept') {
      batching.add(events)
      answer(ended)
      return
    }
    if (appended === 'full') warn('The spool of uses is full.', { bytes: spool.fill().bytes })
    ended.reject(refusal())
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
    keep: async (message) => {
      const isKept = disk.attempt(() => spool.storeBatches(message.producer, [message])) === 'stored'
      if (!isKept) return false
      drain.wake()
      await boots.hold()
      return true
    },
    hasFailed: disk.failed,
  }
}

/** The loose uses on the disk, folded in memory into the drafts of their batches. */
function usesToBatch(options: SpoolRecorderOptions, disk: Disk) {
  const { spool, drain, producer, clock, scheduler, intervalMs } = options
  const accumulator = usageAccumulator({ measure: options.codec.measure, bytesMax: Infinity })
  let closed: MessageDraft[] = []
  let loose = 0
  let foldAt = LOOSE_USES_MAX
  let cancelBatching: (() => void) | undefined

  const batchNow = (): void => {
    cancelBatching?.()
    cancelBatching = undefined
    for (let draft = accumulator.take(); draft !== undefined; draft = accumulator.take()) closed.push(draft)
    const stored = disk.attempt(() => batchUses(options, spool, { producer, drafts: closed, at: clock.now() }))
    if (stored === 'full') batchLater()
    if (stored !== 'stored') return
    for (const draft of closed) accumulator.release(draft)
    closed = []
    loose = 0
    foldAt = LOOSE_USES_MAX
    drain.wake()
  }

  const batchLater = (): void => {
    const delayMs = drain.isHealthy() ? Math.min(GATHER_MS, intervalMs) : intervalMs
    cancelBatching ??= scheduler.after(delayMs, () => {
      cancelBatching = undefined
      if (mayGather()) batchLater()
      else batchNow()
    })
  }

  /** While messages wait for the queue, later uses fold in memory: the further behind, the more uses a message carries. */
  const mayGather = (): boolean => {
    if (accumulator.bytes() >= GATHERED_BYTES_MAX) return false
    const fill = disk.attempt(() => spool.fill())
    return fill !== 'failed' && fill.batches - (loose > 0 ? 1 : 0) >= BEHIND_MESSAGES
  }

  const foldNow = (): void => {
    const events = [...closed, ...accumulator.waiting].flatMap((draft) => draft.events())
    events.sort((a, b) => a.at.getTime() - b.at.getTime())
    disk.attempt(() => spool.foldLoose(producer, events))
    // The next fold pays for itself.
    foldAt = loose = events.length
    foldAt += Math.max(LOOSE_USES_MAX, events.length)
  }

  return {
    add: (events: readonly UsageEvent[]): void => {
      const nowMs = clock.now().getTime()
      for (const event of events) accumulator.add(event, nowMs)
      loose += events.length
      // A draft with another draft behind it is full.
      const isFull = accumulator.waiting.length > 1 || loose >= foldAt
      if (!isFull || mayGather()) batchLater()
      else batchNow()
      if (loose >= foldAt) foldNow()
    },
    now: batchNow,
  }
}

interface Disk {
  /** Returns the result of `step`, or `failed`. After the first failure the contents of the disk are unknown. */
  attempt<Result>(step: () => Result): Result | 'failed'
  failed(): boolean
}

/** Uses that may be on the disk wait for the next start, which reads it: sent from memory, they might count twice. */
function failStop(log: Log): Disk {
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
  return { events: [], ...Promise.withResolvers<RecordedUse>() }
}

function refusal(): AppError {
  return new AppError('usage_unavailable', 'The use could not be counted in time. Try again.', { retryAfterSeconds: 1 })
}
