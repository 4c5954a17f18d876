/** When the store did something, by its own clock: at `fromMs` or later, before `toMs`. */
export interface StoreInstant {
  readonly fromMs: number
  readonly toMs: number
}

/** What the store's clock may show now: `earlyMs` at the least, `lateMs` at the most. */
export interface TimeInterval {
  readonly earliestMs: number
  readonly latestMs: number
}

/** One thing that the store did, with the machine's times around it. */
export interface TimeSample {
  readonly sentMs: number
  readonly heardMs: number
  readonly at: StoreInstant
}

/** How far the store's clock is ahead of the machine's: between the two, as of `asOfMs` by the machine's. */
export interface ClockOffset {
  readonly lowMs: number
  readonly highMs: number
  readonly asOfMs: number
}

/** How fast two clocks may part. Crystals differ by 100 ppm at most; this leaves room for a clock that is being slewed. */
const DRIFT = 200e-6

export function offsetOf({ sentMs, heardMs, at }: TimeSample): ClockOffset {
  return { lowMs: at.fromMs - heardMs, highMs: at.toMs - sentMs, asOfMs: heardMs }
}

/** What both know. Where they contradict each other, one of the clocks was set: then only the new one counts. */
export function narrow(known: ClockOffset, sample: TimeSample): ClockOffset {
  const now = offsetOf(sample)
  const before = agedOffset(known, now.asOfMs)
  const both = { ...now, lowMs: Math.max(now.lowMs, before.lowMs), highMs: Math.min(now.highMs, before.highMs) }
  return both.lowMs <= both.highMs ? both : now
}

/** The offset as it is known at a later instant. */
export function agedOffset({ lowMs, highMs, asOfMs }: ClockOffset, nowMs: number): ClockOffset {
  const widening = Math.abs(nowMs - asOfMs) * DRIFT
  return { lowMs: lowMs - widening, highMs: highMs + widening, asOfMs: nowMs }
}
