import { expect, test } from 'vitest'
import { suspendAwareClock } from '../../../shared/operations/suspend-aware-clock.ts'

/** Two clocks moved by hand. The returned function moves them and returns the time since the start. */
function clocks() {
  const at = { wallMs: 1_000_000, monotonicMs: 500 }
  const elapsedMs = suspendAwareClock({ now: () => new Date(at.wallMs), monotonicMs: () => at.monotonicMs })
  const startMs = elapsedMs()
  return (wallMs: number, monotonicMs = wallMs) => {
    at.wallMs += wallMs
    at.monotonicMs += monotonicMs
    return elapsedMs() - startMs
  }
}

test('time passes as the clocks say', () => {
  const pass = clocks()
  expect([pass(10), pass(0), pass(90)]).toEqual([10, 10, 100])
})

test('a suspension, during which the monotonic clock stands still, counts in full a millisecond later', () => {
  const pass = clocks()
  expect([pass(60_000, 1), pass(100), pass(60_000, 10)]).toEqual([60_000, 60_100, 120_100])
})

test('a wall clock that is set back does not turn time back, and hides no later suspension', () => {
  const pass = clocks()
  expect([pass(-3_600_000, 5), pass(100), pass(60_000, 1)]).toEqual([5, 105, 60_105])
})

test('the whole milliseconds of a wall clock do not make time run faster', () => {
  const pass = clocks()
  let elapsedMs = 0
  for (let step = 0; step < 10_000; step++) elapsedMs = pass(step % 10 === 9 ? 1 : 0, 0.1)
  expect(elapsedMs).toBeCloseTo(1000, 0)
})
