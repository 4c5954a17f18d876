import type { Clock } from '../ports.ts'

/** A wall clock is read in whole milliseconds and nudged by its servers: less than this is no suspension. */
const JUMP_MS = 250

/**
 * Milliseconds since some fixed moment, never going back and never slower than either clock: a suspended machine stops the
 * monotonic one, a wall clock can be set back. An age by this time is at worst too large.
 */
export function elapsedTime(clock: Clock): () => number {
  let lead = clock.now().getTime() - clock.monotonicMs()
  let jumpedMs = 0
  return () => {
    const monotonicMs = clock.monotonicMs()
    const ahead = clock.now().getTime() - monotonicMs
    if (ahead < lead) lead = ahead
    if (ahead - lead > JUMP_MS) {
      jumpedMs += ahead - lead
      lead = ahead
    }
    return monotonicMs + jumpedMs
  }
}
