import { AppError, isOutage } from '../../domain/errors.ts'
import type { Background, Log, Scheduler } from '../../ports/runtime.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import { type ChangeReaderNeeds, type ChangeReaderOptions, changeReader, type LocalInstant } from './change-reader.ts'
import { SINGLE_FLIGHT_MS } from './read-through-cache.ts'

/** Polls the change feed while the cache is in use. */
export interface FeedPoller extends Background {
  /** When the last complete poll began, in elapsed time. It revalidated every earlier read that no poll named since. */
  revalidatedAtMs(): number
  /** How long ago the last complete poll began; undefined before the first. */
  ageMs(): number | undefined
  /** How far the store's clock is ahead of this machine's, within about a second; 0 before the first poll. */
  storeAheadMs(): number
  /** Marks the cache as in use now. Resumes polling after a pause. */
  markInUse(): void
  /**
   * Polls, or joins a poll that began less than 2 s ago. Resolves to whether the poll completed. While the feed fails,
   * resolves to false at once: polling goes on in the background and delays no caller.
   */
  poll(): Promise<boolean>
  /** Whether the last poll failed because the store did not answer. A refusal of our own says nothing about the store. */
  isStoreDown(): boolean
}

interface FeedPollerNeeds extends ChangeReaderNeeds {
  readonly scheduler: Scheduler
  readonly log: Log
}

const INTERVAL_MS = 5000
const IDLE_MS = 10 * 60_000
/** The shortest time between a failed poll and the next. */
const RETRY_MS = 1000
/** A poll that takes longer to fail was suspended with its process: its failure says nothing about the feed. */
const STALLED_MS = 6000

/** Polls every 5 s while in use; pauses after 10 minutes without a call of `markInUse`. */
export function feedPoller(needs: FeedPollerNeeds, options: ChangeReaderOptions): FeedPoller {
  const { elapsedMs, scheduler } = needs
  const { poll, isStoreDown, revalidatedAtMs, storeAheadMs, finished } = singleFlightPolls(needs, options)
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
    ...{ markInUse, poll, isStoreDown, revalidatedAtMs, storeAheadMs },
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
function singleFlightPolls(needs: FeedPollerNeeds, options: ChangeReaderOptions) {
  const { clock, elapsedMs, meter } = needs
  const warn = throttledWarnings(needs.log, clock)
  const { catchUp, revalidatedAtMs, storeAheadMs } = changeReader(needs, options)
  let failedAtMs: number | undefined
  let isStoreDown = false
  let inFlight: { readonly begunAtMs: number; readonly result: Promise<boolean> } | undefined

  async function pollOnce(begun: LocalInstant): Promise<boolean> {
    try {
      await catchUp(begun)
      failedAtMs = undefined
      isStoreDown = false
      meter.count('auth_api_feed_polls_total', { outcome: 'ok' })
      return true
    } catch (error) {
      isStoreDown = isOutage(error)
      const failedNowMs = elapsedMs()
      if (failedNowMs - begun.elapsedMs < STALLED_MS) failedAtMs = failedNowMs
      meter.count('auth_api_feed_polls_total', { outcome: 'failed' })
      const cause = error instanceof AppError ? error.code : String(error)
      warn('The feed of changes cannot be read: keys are read one by one.', { cause })
      return false
    }
  }

  function pollNow(): Promise<boolean> {
    const begun: LocalInstant = { wallMs: clock.now().getTime(), elapsedMs: elapsedMs() }
    if (inFlight !== undefined && begun.elapsedMs - inFlight.begunAtMs < SINGLE_FLIGHT_MS) return inFlight.result
    if (failedAtMs !== undefined && begun.elapsedMs - failedAtMs < RETRY_MS) return Promise.resolve(false)
    const result = pollOnce(begun).finally(() => {
      if (inFlight?.result === result) inFlight = undefined
    })
    inFlight = { begunAtMs: begun.elapsedMs, result }
    return result
  }

  return {
    ...{ revalidatedAtMs, storeAheadMs },
    finished: () => inFlight?.result,
    isStoreDown: () => isStoreDown,
    poll(): Promise<boolean> {
      const result = pollNow()
      return failedAtMs === undefined ? result : Promise.resolve(false)
    },
  }
}
