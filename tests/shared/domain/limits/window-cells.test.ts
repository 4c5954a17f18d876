import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LimitWindow } from '../../../../shared/domain/limits/limit.ts'
import { cellsNamed, cellsOf, intervalFor } from '../../../../shared/domain/limits/window-cells.ts'

const window: fc.Arbitrary<LimitWindow> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('sliding' as const, 'fixed' as const),
    seconds: fc.integer({ min: 1, max: 86_400 }),
  }),
  fc.constantFrom({ kind: 'day' as const }, { kind: 'month' as const }),
)
const instant = fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2040-01-01') })

describe('cells', () => {
  test('every instant is in exactly one cell: before its end, and not before the end of the previous cell', () => {
    fc.assert(
      fc.property(window, instant, (limitWindow, atMs) => {
        const cells = cellsOf(limitWindow)
        const index = cells.indexAt(atMs)
        expect(cells.endMs(index)).toBeGreaterThan(atMs)
        expect(cells.endMs(index - 1)).toBeLessThanOrEqual(atMs)
        expect(cells.indexAt(cells.endMs(index))).toBe(index + 1)
        expect(cells.indexAt(cells.endMs(index) - 1)).toBe(index)
      }),
      { numRuns: 1000 },
    )
  })

  test('the counted cells of a sliding window cover the whole window at every instant', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400 }), instant, (seconds, atMs) => {
        const cells = cellsOf({ kind: 'sliding', seconds })
        const firstCounted = cells.indexAt(atMs) - cells.lookback
        expect(cells.endMs(firstCounted - 1)).toBeLessThanOrEqual(atMs - seconds * 1000)
      }),
      { numRuns: 1000 },
    )
  })

  test.each([
    ['day', '2026-11-22T23:59:59.999Z', '2026-11-23T00:00:00.000Z'],
    ['day', '2026-11-23T00:00:00.000Z', '2026-11-24T00:00:00.000Z'],
    ['month', '2026-12-31T23:59:59.999Z', '2027-01-01T00:00:00.000Z'],
    ['month', '2028-02-29T12:00:00.000Z', '2028-03-01T00:00:00.000Z'],
  ] as const)('a %s with %s in it ends at %s, UTC', (kind, at, end) => {
    const cells = cellsOf({ kind })
    expect(new Date(cells.endMs(cells.indexAt(Date.parse(at)))).toISOString()).toBe(end)
  })

  test('a division is found again by its name', () => {
    fc.assert(
      fc.property(window, instant, (limitWindow, atMs) => {
        const cells = cellsOf(limitWindow)
        const again = cellsNamed(cells.name)
        expect(again?.indexAt(atMs)).toBe(cells.indexAt(atMs))
        expect(again?.lookback).toBe(cells.lookback)
      }),
    )
    for (const name of ['', 's60000', 'f60000/60', 'week', 's-1/2', 's60000/60x'])
      expect(cellsNamed(name)).toBeUndefined()
  })

  test('a window of a minute has cells of a second; a short window has up to 100 cells of at least 10 ms', () => {
    expect(cellsOf({ kind: 'sliding', seconds: 60 }).lookback).toBe(60)
    expect(cellsOf({ kind: 'sliding', seconds: 1 }).lookback).toBe(100)
    expect(cellsOf({ kind: 'sliding', seconds: 10 }).lookback).toBe(100)
  })

  test('a sliding window uses both bounds of the time, widened by up to a hundredth of it, a fixed window their middle', () => {
    const interval = { earliestMs: 1000, latestMs: 1201 }
    const widened = (seconds: number) => intervalFor(cellsOf({ kind: 'sliding', seconds }), interval)
    expect(widened(60)).toEqual({ earliestMs: 900, latestMs: 1301 })
    expect(widened(1)).toEqual({ earliestMs: 990, latestMs: 1211 })
    expect(intervalFor(cellsOf({ kind: 'fixed', seconds: 60 }), interval)).toEqual({ earliestMs: 1100, latestMs: 1100 })
  })
})
