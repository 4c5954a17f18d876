import { GUARD_MS } from '../domain/limit-cells.ts'
import { type ClockOffset, guessOffset, knownUntil, narrow, offsetOf, type StoreInstant } from '../domain/store-time.ts'
import type { Clock, Scheduler } from '../ports.ts'

/** The store's clock, as far as this instance knows it. */
export interface StoreClock extends Pick<Estimate, 'now' | 'isTrusted' | 'learnFrom'> {
  /** Asks the store for its time if that is needed; resolves to whether the guess is trusted then. */
  settle(): Promise<boolean>
  /** How far the machine's clock is ahead of the store's; undefined while that is not trusted. */
  skewSeconds(): number | undefined
}

interface StoreClockNeeds {
  readonly tellTime: () => Promise<StoreInstant>
  readonly clock: Clock
  readonly scheduler: Scheduler
}

/** Two instances that are each off by this much are a guard apart; a ms goes to rounding. */
const ERROR_MS_MAX = GUARD_MS / 2 - 1
/** A machine's clock that leaves its own count of elapsed time by this much was set. */
const JUMP_MS = 20
/** After so many samples in a row it is left to the writes that come by. */
const SAMPLES_MAX = 12
const SAMPLE_PAUSE_MS = 50

export function storeClock({ tellTime, clock, scheduler }: StoreClockNeeds): StoreClock {
  const estimate = clockEstimate(clock)
  let sampling: Promise<boolean> | undefined
  let samplesLeft = SAMPLES_MAX
  let isPlanned = false

  async function sample(): Promise<boolean> {
    try {
      await estimate.learnFrom(tellTime, (at) => at)
    } finally {
      sampling = undefined
    }
    if (estimate.isTrusted()) samplesLeft = SAMPLES_MAX
    else if (samplesLeft-- > 0) planSample()
    return estimate.isTrusted()
  }

  /** Stamps of whole seconds say most where the second is about to change. */
  function planSample(): void {
    const toSecondMs = 1000 - (((estimate.now() % 1000) + 1000) % 1000)
    isPlanned = true
    scheduler.after(toSecondMs < SAMPLE_PAUSE_MS ? toSecondMs + 1000 : toSecondMs, () => {
      isPlanned = false
      settle().catch(() => undefined)
    })
  }

  async function settle(): Promise<boolean> {
    if (estimate.isTrusted() || isPlanned) return estimate.isTrusted()
    sampling ??= sample()
    return sampling
  }

  return {
    ...estimate,
    settle,
    skewSeconds: () => (estimate.isTrusted() ? -estimate.offsetMs() / 1000 : undefined),
  }
}

interface Estimate {
  /** The best guess of the store's time, in whole ms since the epoch: the machine's own as long as nothing is known. */
  now(): number
  /** How far the store's clock is ahead. */
  offsetMs(): number
  /** Whether the guess is near enough to lease by. */
  isTrusted(): boolean
  /** Runs something that the store does, and learns from when it says that it did it. */
  learnFrom<Result>(work: () => Promise<Result>, at: (result: Result) => StoreInstant | undefined): Promise<Result>
}

function clockEstimate(clock: Clock): Estimate {
  let offset: ClockOffset | undefined
  let offsetMs = 0
  let trustedUntilMs = Number.NEGATIVE_INFINITY
  let aheadOfElapsedMs = 0

  /** The machine's time. A clock that was set makes worthless what was known of it. */
  function localMs(): number {
    const nowMs = clock.now().getTime()
    const aheadMs = nowMs - clock.monotonicMs()
    if (Math.abs(aheadMs - aheadOfElapsedMs) > JUMP_MS) {
      aheadOfElapsedMs = aheadMs
      offset = undefined
      trustedUntilMs = Number.NEGATIVE_INFINITY
    }
    return nowMs
  }

  return {
    now: () => Math.floor(localMs() + offsetMs),
    offsetMs: () => offsetMs,
    isTrusted: () => localMs() < trustedUntilMs,
    async learnFrom(work, at) {
      const sentMs = localMs()
      const countedFromMs = aheadOfElapsedMs
      const result = await work()
      const heardMs = localMs()
      const instant = at(result)
      if (instant === undefined || aheadOfElapsedMs !== countedFromMs) return result
      const sample = { sentMs, heardMs, at: instant }
      offset = offset === undefined ? offsetOf(sample) : narrow(offset, sample)
      offsetMs = guessOffset(offset).offsetMs
      trustedUntilMs = knownUntil(offset, ERROR_MS_MAX)
      return result
    },
  }
}
