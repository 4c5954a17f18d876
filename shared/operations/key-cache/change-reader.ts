import type { Change, ChangeFeed, FedChange, FeedReading } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Clock } from '../../ports/runtime.ts'

export interface ChangeReaderNeeds {
  readonly feed: ChangeFeed
  readonly clock: Clock
  readonly elapsedMs: () => number
  readonly meter: Meter
}

/** Every time here is the store's, as far as it is known. */
export interface ChangeReaderOptions {
  /** The time up to which all changes are already known. Called once, with the time at which the reader was made. */
  readonly firstWatermarkMs: (startedAtMs: number) => number
  /** Called once per change; possibly again after a clock was set. */
  readonly onChange: (change: Change) => void
  /** The last poll is too long ago to catch up: no poll can revalidate what was read before now. */
  readonly onGap: () => void
  /** `onChange` was called for all changes up to this time. */
  readonly onCaughtUp: (watermarkMs: number) => void
}

/** An instant by this machine's wall clock and by its elapsed time. */
export interface LocalInstant {
  readonly wallMs: number
  readonly elapsedMs: number
}

/** When the last complete poll began, by the store's clock and by the elapsed time. */
interface Watermark {
  readonly storeMs: number
  readonly elapsedMs: number
}

interface Range {
  readonly fromMs: number
  readonly untilMs: number
}

/** Polls overlap: a change may be acknowledged 10 s after its position was taken; the rest is a margin. */
const OVERLAP_MS = 30_000
/** After a longer gap between two polls, everything is invalidated instead of caught up. */
const GAP_MS_MAX = 15 * 60_000
/** A part of the margin: a first read whose range was off by less need not be repeated. */
const TOLERANCE_MS = 2000

/**
 * Reads the feed from the start of the last complete poll, and keeps the watermark. Positions are times of the store, and
 * so are the ranges: the store's time comes with each answer, so this machine's clock may be wrong by any amount.
 */
export function changeReader({ feed, clock, elapsedMs, meter }: ChangeReaderNeeds, options: ChangeReaderOptions) {
  const startedAt: LocalInstant = { wallMs: clock.now().getTime(), elapsedMs: elapsedMs() }
  let aheadMs = 0
  let last: Watermark | undefined
  let revalidatedAtMs = -Infinity
  let seen: ReadonlySet<string> = new Set()

  const storeMs = ({ wallMs }: LocalInstant) => wallMs + aheadMs

  function first(): Watermark {
    const startedAtMs = storeMs(startedAt)
    const watermarkMs = options.firstWatermarkMs(startedAtMs)
    return { storeMs: watermarkMs, elapsedMs: startedAt.elapsedMs - (startedAtMs - watermarkMs) }
  }

  /** The earlier of two times, also after a wall clock was set. */
  function rangeSince(watermark: Watermark, begun: LocalInstant): Range {
    const passedMs = begun.elapsedMs - watermark.elapsedMs
    const sinceMs = passedMs > GAP_MS_MAX ? storeMs(begun) : Math.min(watermark.storeMs, storeMs(begun) - passedMs)
    const nowMs = Math.max(storeMs(begun), watermark.storeMs + passedMs)
    return { fromMs: sinceMs - OVERLAP_MS, untilMs: nowMs + OVERLAP_MS }
  }

  /** Learns the store's time at the beginning of the read: at the latest when the store answered, less what has passed. */
  async function read({ fromMs, untilMs }: Range, begun: LocalInstant): Promise<FeedReading> {
    const sentMs = elapsedMs()
    const reading = await feed.read(new Date(fromMs), new Date(untilMs))
    if (reading.at !== undefined) {
      const sentAtMs = begun.wallMs + (sentMs - begun.elapsedMs)
      aheadMs = reading.at.fromMs - (elapsedMs() - sentMs) - sentAtMs
    }
    return reading
  }

  /** The first read shows the store's time: where its range was wrong by this machine's clock, reads again. */
  async function readFirst(begun: LocalInstant): Promise<FeedReading> {
    const guessed: Range = { fromMs: startedAt.wallMs - OVERLAP_MS, untilMs: begun.wallMs + OVERLAP_MS }
    const reading = await read(guessed, begun)
    last ??= first()
    const wanted = rangeSince(last, begun)
    const covers = guessed.fromMs <= wanted.fromMs + TOLERANCE_MS && guessed.untilMs >= wanted.untilMs - TOLERANCE_MS
    return covers ? reading : read(wanted, begun)
  }

  function apply(found: readonly FedChange[]): void {
    for (const { id, change } of found) {
      if (seen.has(id)) continue
      meter.count('auth_api_feed_changes_total', { kind: change.kind })
      options.onChange(change)
    }
  }

  function advance(begun: LocalInstant, found: readonly FedChange[]): void {
    seen = new Set(found.map(({ id }) => id))
    last = { storeMs: storeMs(begun), elapsedMs: begun.elapsedMs }
    revalidatedAtMs = begun.elapsedMs
    options.onCaughtUp(last.storeMs)
  }

  return {
    revalidatedAtMs: () => revalidatedAtMs,
    storeAheadMs: () => aheadMs,
    /** Throws when the feed cannot be read. */
    async catchUp(begun: LocalInstant): Promise<void> {
      const { changes } = last === undefined ? await readFirst(begun) : await read(rangeSince(last, begun), begun)
      const isGapTooLong = begun.elapsedMs - (last?.elapsedMs ?? begun.elapsedMs) > GAP_MS_MAX
      if (isGapTooLong) options.onGap()
      apply(changes)
      if (begun.elapsedMs > revalidatedAtMs) advance(begun, changes)
    },
  }
}
