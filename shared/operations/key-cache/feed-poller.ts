import { AppError } from '../../domain/errors.ts'
import type { Change, ChangeFeed, FedChange } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Background, Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import { SINGLE_FLIGHT_MS } from './read-through-cache.ts'

/** Polls the change feed while the cache is in use. */
export interface FeedPoller extends Background {
  /** When the last complete poll began, in elapsed time. It revalidated every earlier read that no poll named since. */
  revalidatedAtMs(): number
  /** How long ago the last complete poll began; undefined before the first. */
  ageMs(): number | undefined
  /** Marks the cache as in use now. Resumes polling after a pause. */
  markInUse(): void
  /**
   * Polls, or joins a poll that began less than 2 s ago. Resolves to whether the poll completed. While the feed fails,
   * resolves to false at once: polling goes on in the background and delays no caller.
   */
  poll(): Promise<boolean>
}

interface FeedPollerNeeds {
  readonly feed: ChangeFeed
  readonly clock: Clock
  readonly elapsedMs: () => number
  readonly scheduler: Scheduler
  readonly log: Log
  readonly meter: Meter
}

interface FeedPollerOptions {
  /** The wall-clock time up to which all changes are already known. Called once, with the poller's time of creation. */
  readonly firstWatermarkMs: (startedAtMs: number) => number
  /** Called once per change; possibly again after a clock was set. */
  readonly onChange: (change: Change) => void
  /** The last poll is too long ago to catch up: no poll can revalidate what was read before now. */
  readonly onGap: () => void
  /** `onChange` was called for all changes up to this wall-clock time. */
  readonly onCaughtUp: (watermarkMs: number) => void
}

const INTERVAL_MS = 5000
/** Polls overlap: a change may be acknowledged 10 s after its position was taken, by a clock up to 20 s behind. */
const OVERLAP_MS = 30_000
/** After a longer gap between two polls, everything is invalidated instead of caught up. */
const GAP_MS_MAX = 15 * 60_000
const IDLE_MS = 10 * 60_000
/** The shortest time between a failed poll and the next. */
const RETRY_MS = 1000
/** A poll that takes longer to fail was suspended with its process: its failure says nothing about the feed. */
const STALLED_MS = 6000

interface Instant {
  readonly wallMs: number
  readonly elapsedMs: number
}

/** Polls every 5 s while in use; pauses after 10 minutes without a call of `markInUse`. */
export function feedPoller(needs: FeedPollerNeeds, options: FeedPollerOptions): FeedPoller {
  const { elapsedMs, scheduler } = needs
  const { poll, revalidatedAtMs, finished } = singleFlightPolls(needs, options)
  let markedInUse = true
  let inUseAtMs = elapsedMs()
  let state: 'idle' | 'polling' | 'stopped' = 'idle'
  let cancel = (): void => undefined

  async function keepPolling(): Promise<void> {
    const begunAtMs = elapsedMs()
    if (markedInUse) inUseAtMs = begunAtMs
    markedInUse = false
    if (begunAtMs - inUseAtMs >= IDLE_MS) {
      state = 'idle'
      return
    }
    await poll()
    if (state === 'stopped') return
    cancel = scheduler.after(Math.max(0, begunAtMs + INTERVAL_MS - elapsedMs()), () => void keepPolling())
  }

  function markInUse(): void {
    markedInUse = true
    if (state !== 'idle') return
    state = 'polling'
    void keepPolling()
  }

  return {
    ...{ markInUse, poll, revalidatedAtMs },
    ageMs: () => (revalidatedAtMs() === -Infinity ? undefined : elapsedMs() - revalidatedAtMs()),
    start: markInUse,
    stop: async () => {
      state = 'stopped'
      cancel()
      await finished()
    },
  }
}

/** Polls as a single flight: a poll in flight is joined, unless it began 2 s ago or earlier. */
function singleFlightPolls(needs: FeedPollerNeeds, options: FeedPollerOptions) {
  const { clock, elapsedMs, meter } = needs
  const warn = throttledWarnings(needs.log, clock)
  const { catchUp, revalidatedAtMs } = changeReader(needs, options)
  let failedAtMs: number | undefined
  let inFlight: { readonly begunAtMs: number; readonly result: Promise<boolean> } | undefined

  async function pollOnce(begun: Instant): Promise<boolean> {
    try {
      await catchUp(begun)
      failedAtMs = undefined
      meter.count('auth_api_feed_polls_total', { outcome: 'ok' })
      return true
    } catch (error) {
      const failedNowMs = elapsedMs()
      if (failedNowMs - begun.elapsedMs < STALLED_MS) failedAtMs = failedNowMs
      meter.count('auth_api_feed_polls_total', { outcome: 'failed' })
      const cause = error instanceof AppError ? error.code : String(error)
      warn('The feed of changes cannot be read: keys are read one by one.', { cause })
      return false
    }
  }

  function pollNow(): Promise<boolean> {
    const begun: Instant = { wallMs: clock.now().getTime(), elapsedMs: elapsedMs() }
    if (inFlight !== undefined && begun.elapsedMs - inFlight.begunAtMs < SINGLE_FLIGHT_MS) return inFlight.result
    if (failedAtMs !== undefined && begun.elapsedMs - failedAtMs < RETRY_MS) return Promise.resolve(false)
    const result = pollOnce(begun).finally(() => {
      if (inFlight?.result === result) inFlight = undefined
    })
    inFlight = { begunAtMs: begun.elapsedMs, result }
    return result
  }

  return {
    revalidatedAtMs,
    finished: () => inFlight?.result,
    poll(): Promise<boolean> {
      const result = pollNow()
      return failedAtMs === undefined ? result : Promise.resolve(false)
    },
  }
}

/** Reads the feed from the start of the last complete poll, and keeps the watermark. */
function changeReader({ feed, clock, elapsedMs, meter }: FeedPollerNeeds, options: FeedPollerOptions) {
  const startedAt: Instant = { wallMs: clock.now().getTime(), elapsedMs: elapsedMs() }
  let last: Instant | undefined
  let revalidatedAtMs = -Infinity
  let seen: ReadonlySet<string> = new Set()

  function first(): Instant {
    const wallMs = options.firstWatermarkMs(startedAt.wallMs)
    return { wallMs, elapsedMs: startedAt.elapsedMs - (startedAt.wallMs - wallMs) }
  }

  function apply(found: readonly FedChange[]): void {
    for (const { id, change } of found) {
      if (seen.has(id)) continue
      meter.count('auth_api_feed_changes_total', { kind: change.kind })
      options.onChange(change)
    }
  }

  function advance(begun: Instant, found: readonly FedChange[]): void {
    seen = new Set(found.map(({ id }) => id))
    last = begun
    revalidatedAtMs = begun.elapsedMs
    options.onCaughtUp(begun.wallMs)
  }

  return {
    revalidatedAtMs: () => revalidatedAtMs,
    /** Throws when the feed cannot be read. */
    async catchUp(begun: Instant): Promise<void> {
      last ??= first()
      const isGapTooLong = begun.elapsedMs - last.elapsedMs > GAP_MS_MAX
      // The earlier of both clocks: a wall clock that was set back has the watermark in the future.
      const sinceMs = isGapTooLong
        ? begun.wallMs
        : Math.min(last.wallMs, begun.wallMs - (begun.elapsedMs - last.elapsedMs))
      const found = await feed.read(new Date(sinceMs - OVERLAP_MS), new Date(begun.wallMs + OVERLAP_MS))
      if (isGapTooLong) options.onGap()
      apply(found)
      if (begun.elapsedMs > revalidatedAtMs) advance(begun, found)
    },
  }
}
