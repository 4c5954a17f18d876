import type { Clock } from '../ports/runtime.ts'

/** A smaller jump is no suspension: a wall clock has a resolution of 1 ms and is adjusted by NTP. */
const SUSPENSION_MS_MIN = 250
/** The wall clock is read at most this often: a read costs as much as one of the monotonic clock. */
const WALL_CLOCK_INTERVAL_MS = 1

/**
 * Monotonic milliseconds, never slower than either clock: a suspended machine stops the monotonic clock, and a wall
 * clock can be set back. An age by this clock is at worst too large. Detects a suspension within 1 ms of running time.
 */
export function suspendAwareClock(clock: Clock): () => number {
  let offsetMs = clock.now().getTime() - clock.monotonicMs()
  let suspendedMs = 0
  let readAtMs = -Infinity
  return () => {
    const monotonicMs = clock.monotonicMs()
    if (monotonicMs - readAtMs < WALL_CLOCK_INTERVAL_MS) return monotonicMs + suspendedMs
    readAtMs = monotonicMs
    const currentOffsetMs = clock.now().getTime() - monotonicMs
    if (currentOffsetMs < offsetMs) offsetMs = currentOffsetMs
    if (currentOffsetMs - offsetMs > SUSPENSION_MS_MIN) {
      suspendedMs += currentOffsetMs - offsetMs
      offsetMs = currentOffsetMs
    }
    return monotonicMs + suspendedMs
  }
}
