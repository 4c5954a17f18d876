import {
  agedOffset,
  type ClockOffset,
  narrow,
  offsetOf,
  type StoreInstant,
  type TimeInterval,
} from '../../domain/limits/time-interval.ts'
import type { Clock } from '../../ports/runtime.ts'

/** `isKnown`: based on the store's own time. False again after the machine's clock was set. */
export interface StoreReading extends TimeInterval {
  readonly isKnown: boolean
}

/** Estimates the store's clock. */
export interface StoreClock {
  /** The bounds of the time of the server that answered. Before the first sample the machine's clock stands in. */
  read(): StoreReading
  /** The likeliest time, in whole ms since the epoch. */
  now(): number
  /** Runs a request to the store, and takes a sample from the time in the reply. */
  learnFrom<Result>(work: () => Promise<Result>, at: (result: Result) => StoreInstant | undefined): Promise<Result>
  /** Asks the store for its time where the offset is unknown or too uncertain. Throws `store_unavailable`. */
  synchronize(): Promise<void>
  /** How far the machine's clock is ahead of the store's; undefined while the offset is unknown. */
  skewSeconds(): number | undefined
}

interface StoreClockNeeds {
  readonly tellTime: () => Promise<StoreInstant>
  readonly clock: Clock
}

/** A clock that departs from the monotonic clock by more than this was set. */
const JUMP_MS = 20
/** Wider bounds are worth a request for the time, at most once a minute. */
const WIDTH_MS_MAX = 500
const RESYNC_MS = 60_000

export function storeClock({ tellTime, clock }: StoreClockNeeds): StoreClock {
  let offset: ClockOffset | undefined
  let aheadOfMonotonicMs = 0
  let askedAtMs = Number.NEGATIVE_INFINITY
  let pending: Promise<unknown> | undefined

  function localMs(): number {
    const nowMs = clock.now().getTime()
    const aheadMs = nowMs - clock.monotonicMs()
    if (Math.abs(aheadMs - aheadOfMonotonicMs) > JUMP_MS) {
      aheadOfMonotonicMs = aheadMs
      offset = undefined
    }
    return nowMs
  }

  /** The offset aged to `nowMs`; zero while it is unknown. */
  function offsetAt(nowMs: number): ClockOffset {
    return offset === undefined ? { lowMs: 0, highMs: 0, asOfMs: nowMs } : agedOffset(offset, nowMs)
  }

  function read(): StoreReading {
    const nowMs = localMs()
    const { lowMs, highMs } = offsetAt(nowMs)
    // The machine's clock has a resolution of 1 ms.
    return {
      earliestMs: Math.floor(nowMs + lowMs),
      latestMs: Math.ceil(nowMs + highMs) + 1,
      isKnown: offset !== undefined,
    }
  }

  async function learnFrom<Result>(work: () => Promise<Result>, at: (result: Result) => StoreInstant | undefined) {
    const sentMs = localMs()
    const aheadWhenSentMs = aheadOfMonotonicMs
    const result = await work()
    const receivedMs = localMs() + 1
    const instant = at(result)
    if (instant === undefined || aheadOfMonotonicMs !== aheadWhenSentMs) return result
    const sample = { sentMs, receivedMs, at: instant }
    offset = offset === undefined ? offsetOf(sample) : narrow(offset, sample)
    return result
  }

  function isPrecise(nowMs: number): boolean {
    const { lowMs, highMs } = offsetAt(nowMs)
    return offset !== undefined && (highMs - lowMs <= WIDTH_MS_MAX || nowMs - askedAtMs < RESYNC_MS)
  }

  return {
    read,
    now() {
      const { earliestMs, latestMs } = read()
      return Math.floor((earliestMs + latestMs) / 2)
    },
    learnFrom,
    async synchronize() {
      const nowMs = localMs()
      if (isPrecise(nowMs)) return
      askedAtMs = nowMs
      pending ??= learnFrom(tellTime, (at) => at).finally(() => {
        pending = undefined
      })
      await pending
    },
    skewSeconds() {
      const { lowMs, highMs } = offsetAt(localMs())
      return offset && -(lowMs + highMs) / 2000
    },
  }
}
