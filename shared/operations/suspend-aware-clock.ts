import type { Clock } from '../ports/runtime.ts'

/** A wall clock is read in whole milliseconds and nudged by its servers: less than this is no suspension. */
const JUMP_MS = 250
/** While the process runs on, the wall clock is read this often at most: it costs as much as the other one. */
const LOOK_MS = 1

/**
 * Milliseconds since some fixed moment, never going back and never slower than either clock: a suspended machine stops the
 * monotonic one, a wall clock can be set back. An age by this time is at worst too large. A suspension is seen within a
 * millisecond of running on.
 */
export function suspendAwareClock(clock: Clock): () => number {
  let lead = clock.now().getTime() - clock.monotonicMs()
  let jumpedMs = 0
  let lookedAtMs = -Infinity
  return () => {
    const monotonicMs = clock.monotonicMs()
    if (monotonicMs - lookedAtMs < LOOK_MS) return monotonicMs + jumpedMs
    lookedAtMs = monotonicMs
    const ahead = clock.now().getTime() - monotonicMs
    if (ahead < lead) lead = ahead
    if (ahead - lead > JUMP_MS) {
      jumpedMs += ahead - lead
      lead = ahead
    }
    return monotonicMs + jumpedMs
  }
}
