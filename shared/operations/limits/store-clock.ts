import {
  agedOffset,
  type ClockOffset,
  narrow,
  offsetOf,
  type StoreInstant,
  type TimeInterval,
} from '../../domain/limits/time-interval.ts'
import type { Clock } from '../../ports/runtime.ts'

/** `isKnown`: it rests on what the store said; a machine's clock that was set makes that worthless. */
export interface StoreReading extends TimeInterval {
  readonly isKnown: boolean
}

/** The store's clock, as far as this instance knows it. */
export interface StoreClock {
  /** What it may show now; no narrower than a margin. The machine's own clock as long as nothing is known. */
  read(): StoreReading
  /** The likeliest time, in whole ms since the epoch. */
  now(): number
  /** Runs something that the store does, and learns from when it says that it did it. */
  learnFrom<Result>(work: () => Promise<Result>, at: (result: Result) => StoreInstant | undefined): Promise<Result>
  /** Asks the store for its time where it is not known, or not well. */
  settle(): Promise<void>
  /** How far the machine's clock is ahead of the store's; undefined while that is not known. */
  skewSeconds(): number | undefined
}

interface StoreClockNeeds {
  readonly tellTime: () => Promise<StoreInstant>
  readonly clock: Clock
}

/**
 * The moment is this much wider, on either side, than what the stamps tell: the servers of one store do not agree to the ms
 * either.
 */
const MARGIN_MS = 100
/** A machine's clock that leaves its own count of elapsed time by this much was set. */
const JUMP_MS = 20
/** Where less is known, it is worth asking, now and then. */
const WIDE_MS = 500
const ASK_EVERY_MS = 60_000

export function storeClock({ tellTime, clock }: StoreClockNeeds): StoreClock {
  let offset: ClockOffset | undefined
  let aheadOfElapsedMs = 0
  let askedAtMs = Number.NEGATIVE_INFINITY
  let asking: Promise<unknown> | undefined

  function localMs(): number {
    const nowMs = clock.now().getTime()
    const aheadMs = nowMs - clock.monotonicMs()
    if (Math.abs(aheadMs - aheadOfElapsedMs) > JUMP_MS) {
      aheadOfElapsedMs = aheadMs
      offset = undefined
    }
    return nowMs
  }

  /** Between which two the store's clock is ahead of the machine's. */
  function offsetAt(nowMs: number): ClockOffset {
    return offset === undefined ? { lowMs: 0, highMs: 0, asOfMs: nowMs } : agedOffset(offset, nowMs)
  }

  function read(): StoreReading {
    const nowMs = localMs()
    const { lowMs, highMs } = offsetAt(nowMs)
    // The machine's clock stands still between two ms.
    return {
      earliestMs: Math.floor(nowMs + lowMs) - MARGIN_MS,
      latestMs: Math.ceil(nowMs + highMs) + MARGIN_MS + 1,
      isKnown: offset !== undefined,
    }
  }

  async function learnFrom<Result>(work: () => Promise<Result>, at: (result: Result) => StoreInstant | undefined) {
    const sentMs = localMs()
    const countedFromMs = aheadOfElapsedMs
    const result = await work()
    const heardMs = localMs() + 1
    const instant = at(result)
    if (instant === undefined || aheadOfElapsedMs !== countedFromMs) return result
    const sample = { sentMs, heardMs, at: instant }
    offset = offset === undefined ? offsetOf(sample) : narrow(offset, sample)
    return result
  }

  function isWellKnown(nowMs: number): boolean {
    const { lowMs, highMs } = offsetAt(nowMs)
    return offset !== undefined && (highMs - lowMs <= WIDE_MS || nowMs - askedAtMs < ASK_EVERY_MS)
  }

  return {
    read,
    now() {
      const { earliestMs, latestMs } = read()
      return Math.floor((earliestMs + latestMs) / 2)
    },
    learnFrom,
    async settle() {
      const nowMs = localMs()
      if (isWellKnown(nowMs)) return
      askedAtMs = nowMs
      asking ??= learnFrom(tellTime, (at) => at).finally(() => {
        asking = undefined
      })
      await asking
    },
    skewSeconds() {
      const { lowMs, highMs } = offsetAt(localMs())
      return offset && -(lowMs + highMs) / 2000
    },
  }
}
