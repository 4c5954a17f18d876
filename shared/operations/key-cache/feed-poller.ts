import { AppError } from '../../domain/errors.ts'
import type { Change, ChangeFeed, FedChange } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Background, Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import { SINGLE_FLIGHT_MS } from './read-through-cache.ts'

/** Keeps polling the feed of changes for as long as somebody asks for what it is about. */
export interface FeedPoller extends Background {
  /** When the last complete poll began, in elapsed time: whatever was read before and not named since was true then. */
  confirmedAtMs(): number
  /** How long ago that was; undefined for never. */
  ageMs(): number | undefined
  /** Says that somebody asks, now. After a pause the next poll begins with this. */
  markInUse(): void
  /**
   * Polls, or joins a poll that has just begun. Resolves to whether it completed; at once, to false, while the feed fails:
   * the polls go on, and nobody waits for them.
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
  /** Up to when, by the wall clock, the changes are known already. Asked once, with the moment since which this runs. */
  readonly firstWatermarkMs: (madeAtMs: number) => number
  /** Called once for every change, perhaps again where clocks were set. */
  readonly onChange: (change: Change) => void
  /** What was read before now can no longer be confirmed: too much time has passed since the last poll. */
  readonly onLost: () => void
  /** All changes up to this moment of the wall clock were told. */
  readonly onFollowed: (watermarkMs: number) => void
}

const INTERVAL_MS = 5000
/** A change may be acknowledged 10 s after its position was taken, by a clock that is up to 20 s behind. */
const LOOK_BACK_MS = 30_000
/** A longer gap between two polls is not caught up with. */
const GAP_MS = 15 * 60_000
const IDLE_MS = 10 * 60_000
/** Between a failed poll and the next. */
const FAILED_MS = 1000
/** No poll takes that long to fail, unless the process was stopped meanwhile: that says nothing about the feed. */
const STALLED_MS = 6000

interface Instant {
  readonly wallMs: number
  readonly elapsedMs: number
}

/** Polls every 5 s while in use; pauses when nobody has asked for 10 minutes. */
export function feedPoller(needs: FeedPollerNeeds, options: FeedPollerOptions): FeedPoller {
  const { elapsedMs, scheduler } = needs
  const { poll, confirmedAtMs, settled } = changePolls(needs, options)
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
    ...{ markInUse, poll, confirmedAtMs },
    ageMs: () => (confirmedAtMs() === -Infinity ? undefined : elapsedMs() - confirmedAtMs()),
    start: markInUse,
    stop: async () => {
      state = 'stopped'
      cancel()
      await settled()
    },
  }
}

/** The polls, one after the other or side by side. */
function changePolls(needs: FeedPollerNeeds, options: FeedPollerOptions) {
  const { clock, elapsedMs, meter } = needs
  const warn = throttledWarnings(needs.log, clock)
  const { follow, confirmedAtMs } = changeReader(needs, options)
  let failedAtMs: number | undefined
  let underWay: { readonly begunAtMs: number; readonly result: Promise<boolean> } | undefined

  async function pollOnce(begun: Instant): Promise<boolean> {
    try {
      await follow(begun)
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
    if (underWay !== undefined && begun.elapsedMs - underWay.begunAtMs < SINGLE_FLIGHT_MS) return underWay.result
    if (failedAtMs !== undefined && begun.elapsedMs - failedAtMs < FAILED_MS) return Promise.resolve(false)
    const result = pollOnce(begun).finally(() => {
      if (underWay?.result === result) underWay = undefined
    })
    underWay = { begunAtMs: begun.elapsedMs, result }
    return result
  }

  return {
    confirmedAtMs,
    settled: () => underWay?.result,
    poll(): Promise<boolean> {
      const result = pollNow()
      return failedAtMs === undefined ? result : Promise.resolve(false)
    },
  }
}

/** Reads the feed from where the last complete poll began, and how far it has come. */
function changeReader({ feed, clock, elapsedMs, meter }: FeedPollerNeeds, options: FeedPollerOptions) {
  const madeAt: Instant = { wallMs: clock.now().getTime(), elapsedMs: elapsedMs() }
  let last: Instant | undefined
  let confirmedAtMs = -Infinity
  let seen: ReadonlySet<string> = new Set()

  function first(): Instant {
    const wallMs = options.firstWatermarkMs(madeAt.wallMs)
    return { wallMs, elapsedMs: madeAt.elapsedMs - (madeAt.wallMs - wallMs) }
  }

  function tell(found: readonly FedChange[]): void {
    for (const { id, change } of found) {
      if (seen.has(id)) continue
      meter.count('auth_api_feed_changes_total', { kind: change.kind })
      options.onChange(change)
    }
  }

  function confirm(begun: Instant, found: readonly FedChange[]): void {
    seen = new Set(found.map(({ id }) => id))
    last = begun
    confirmedAtMs = begun.elapsedMs
    options.onFollowed(begun.wallMs)
  }

  return {
    confirmedAtMs: () => confirmedAtMs,
    /** Throws where the feed cannot be read. */
    async follow(begun: Instant): Promise<void> {
      last ??= first()
      const isLost = begun.elapsedMs - last.elapsedMs > GAP_MS
      // By both clocks: one that was set back has the watermark in the future.
      const sinceMs = isLost ? begun.wallMs : Math.min(last.wallMs, begun.wallMs - (begun.elapsedMs - last.elapsedMs))
      const found = await feed.read(new Date(sinceMs - LOOK_BACK_MS), new Date(begun.wallMs + LOOK_BACK_MS))
      if (isLost) options.onLost()
      tell(found)
      if (begun.elapsedMs > confirmedAtMs) confirm(begun, found)
    },
  }
}
