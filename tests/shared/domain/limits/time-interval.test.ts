import fc from 'fast-check'
import { expect, test } from 'vitest'
import { agedOffset, narrow, offsetOf, type TimeSample } from '../../../../shared/domain/limits/time-interval.ts'

/** A write as seen by a machine whose clock is `leadMs` behind the store's. */
function sample({ sentMs, thereMs, backMs, resolutionMs }: Round, leadMs: number): TimeSample {
  const doneMs = sentMs + thereMs + leadMs
  const fromMs = Math.floor(doneMs / resolutionMs) * resolutionMs
  return { sentMs, receivedMs: sentMs + thereMs + backMs, at: { fromMs, toMs: fromMs + resolutionMs } }
}

interface Round {
  readonly sentMs: number
  readonly thereMs: number
  readonly backMs: number
  readonly resolutionMs: number
}

const wait = fc.double({ min: 0, max: 2000, noNaN: true })
const round = fc.record({
  sentMs: fc.integer({ min: 0, max: 10_000_000 }),
  thereMs: wait,
  backMs: wait,
  resolutionMs: fc.constantFrom(1, 1000),
})

test('the offset between two clocks is always within the bounds of the samples, in any order', () => {
  fc.assert(
    fc.property(
      fc.array(round, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: -1e9, max: 1e9 }),
      (rounds, leadMs) => {
        const samples = rounds.map((one) => sample(one, leadMs))
        const [first, ...rest] = samples
        if (first === undefined) return
        const known = rest.reduce(narrow, offsetOf(first))
        expect(known.lowMs).toBeLessThanOrEqual(leadMs + 1e-6)
        expect(known.highMs).toBeGreaterThanOrEqual(leadMs - 1e-6)
      },
    ),
    { numRuns: 1000 },
  )
})

test('stamps of whole seconds narrow the bounds of the offset', () => {
  const leadMs = 12_345
  let known = offsetOf(sample({ sentMs: 0, thereMs: 5, backMs: 5, resolutionMs: 1000 }, leadMs))
  expect(known.highMs - known.lowMs).toBeGreaterThan(1000)
  for (let sentMs = 137; sentMs < 30_000; sentMs += 137) {
    known = narrow(known, sample({ sentMs, thereMs: 5, backMs: 5, resolutionMs: 1000 }, leadMs))
  }
  expect(known.highMs - known.lowMs).toBeLessThan(60)
})

test('the bounds of an offset widen with age', () => {
  const known = { lowMs: -5, highMs: 5, asOfMs: 1000 }
  const later = agedOffset(known, 1_001_000)
  expect(later.lowMs).toBeCloseTo(-205)
  expect(later.highMs).toBeCloseTo(205)
})

test('a sample that contradicts the known offset replaces it: one of the clocks was set', () => {
  const known = offsetOf(sample({ sentMs: 0, thereMs: 5, backMs: 5, resolutionMs: 1 }, 0))
  const contrary = sample({ sentMs: 100, thereMs: 5, backMs: 5, resolutionMs: 1 }, 60_000)
  expect(narrow(known, contrary)).toEqual(offsetOf(contrary))
})
