/** When the store did something, by its own clock: in [`fromMs`, `toMs`). */
export interface StoreInstant {
  readonly fromMs: number
  readonly toMs: number
}

/** What the store's clock may show now: between `earliestMs` and `latestMs`. */
export interface TimeInterval {
  readonly earliestMs: number
  readonly latestMs: number
}

/** One action of the store, with the machine's times before and after it. */
export interface TimeSample {
  readonly sentMs: number
  readonly receivedMs: number
  readonly at: StoreInstant
}

/** How far the store's clock is ahead of the machine's: `lowMs` to `highMs`, at `asOfMs` of the machine's clock. */
export interface ClockOffset {
  readonly lowMs: number
  readonly highMs: number
  readonly asOfMs: number
}

/** How fast two clocks may drift apart. Crystals differ by 100 ppm at most; the rest allows for slewing. */
const DRIFT = 200e-6

export function offsetOf({ sentMs, receivedMs, at }: TimeSample): ClockOffset {
  return { lowMs: at.fromMs - receivedMs, highMs: at.toMs - sentMs, asOfMs: receivedMs }
}

/** The intersection of both offsets. Where they do not overlap, a clock was set: then only the new sample counts. */
export function narrow(known: ClockOffset, sample: TimeSample): ClockOffset {
  const now = offsetOf(sample)
  const before = agedOffset(known, now.asOfMs)
  const both = { ...now, lowMs: Math.max(now.lowMs, before.lowMs), highMs: Math.min(now.highMs, before.highMs) }
  return both.lowMs <= both.highMs ? both : now
}

/** The offset at a later instant: the bounds widen with age. */
export function agedOffset({ lowMs, highMs, asOfMs }: ClockOffset, nowMs: number): ClockOffset {
  const widening = Math.abs(nowMs - asOfMs) * DRIFT
  return { lowMs: lowMs - widening, highMs: highMs + widening, asOfMs: nowMs }
}
