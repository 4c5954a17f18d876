import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../../../shared/domain/errors.ts'
import {
  bucketStarts,
  daysOf,
  type Granularity,
  type RangeEdge,
  type RangeRequest,
  resolveRange,
  resolveWindow,
  spanOf,
} from '../../../../shared/domain/usage/range.ts'

const now = new Date('2026-11-22T16:20:30.400Z')
const hourMs = 3_600_000

function edge(text: string): RangeEdge {
  return { at: new Date(text), wholeDay: !text.includes('T') }
}

function ask(from: string | null, to: string | null, granularity: Granularity = 'day'): RangeRequest {
  return { from: from === null ? null : edge(from), to: to === null ? null : edge(to), granularity }
}

function faultOf(resolve: () => unknown): { code: string; pointers: readonly string[] } {
  try {
    resolve()
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, pointers: error.errors?.map((one) => one.pointer) ?? [] }
    throw error
  }
  throw new Error('It was not refused.')
}

describe('the range of a report', () => {
  test.each([
    ['/to', ask(null, '9999-12-31')],
    ['/to', ask(null, '9999-12-31T00:00:00.001Z')],
    ['/from', ask(null, '0000-01-05')],
    ['/from', ask('1969-12-31', '1970-01-05')],
  ])('has no end that a timestamp of four-digit years cannot name: %s', (pointer, request) => {
    expect(faultOf(() => resolveRange(request, now))).toEqual({ code: 'invalid_request', pointers: [pointer] })
  })

  test('without ends is the last 30 days, including today', () => {
    const range = resolveRange(ask(null, null), now)
    expect(range.from).toEqual(new Date('2026-10-24T00:00:00Z'))
    expect(range.to).toEqual(new Date('2026-11-23T00:00:00Z'))
    expect(bucketStarts(range)).toHaveLength(30)
  })

  test('by the hour ends with the current hour', () => {
    expect(resolveRange(ask('2026-11-22', null, 'hour'), now).to).toEqual(new Date('2026-11-22T17:00:00Z'))
  })

  test('includes a date as `to`, and excludes an instant as `to`', () => {
    expect(resolveRange(ask('2026-11-01', '2026-11-05'), now).to).toEqual(new Date('2026-11-06T00:00:00Z'))
    expect(resolveRange(ask('2026-11-01', '2026-11-05T00:00:00Z'), now).to).toEqual(new Date('2026-11-05T00:00:00Z'))
  })

  test('is widened to whole UTC buckets, whatever the offset of an instant', () => {
    const range = resolveRange(ask('2026-11-05T12:10:00+02:00', '2026-11-05T12:10:00-03:30', 'hour'), now)
    expect(range.from).toEqual(new Date('2026-11-05T10:00:00Z'))
    expect(range.to).toEqual(new Date('2026-11-05T16:00:00Z'))
  })

  test('may have 400 days, not 401', () => {
    expect(bucketStarts(resolveRange(ask('2025-10-19', '2026-11-22'), now))).toHaveLength(400)
    expect(faultOf(() => resolveRange(ask('2025-10-18', '2026-11-22'), now))).toEqual({
      code: 'invalid_request',
      pointers: ['/from'],
    })
  })

  test('may have 31 days by the hour, not 32', () => {
    expect(bucketStarts(resolveRange(ask('2026-10-23', '2026-11-22', 'hour'), now))).toHaveLength(31 * 24)
    expect(faultOf(() => resolveRange(ask('2026-10-22', '2026-11-22', 'hour'), now)).pointers).toEqual(['/granularity'])
  })

  test('is refused when it is empty or runs backwards', () => {
    const instant = '2026-11-05T00:00:00Z'
    expect(faultOf(() => resolveRange(ask(instant, instant), now)).pointers).toEqual(['/from'])
    expect(faultOf(() => resolveRange(ask('2026-11-06', '2026-11-05'), now)).pointers).toEqual(['/from'])
  })

  test('has buckets that follow each other without gap or overlap, 24 hours a day, also where clocks change', () => {
    const instant = fc.date({ min: new Date('2024-01-01'), max: new Date('2030-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(
        instant,
        fc.integer({ min: 1, max: 31 * 24 }),
        fc.constantFrom('hour', 'day'),
        (from, hours, granularity) => {
          const to = { at: new Date(from.getTime() + hours * hourMs - 2 * hourMs + 1), wholeDay: false }
          if (to.at <= from) return
          const range = resolveRange({ from: { at: from, wholeDay: false }, to, granularity }, now)
          const starts = bucketStarts(range)
          const stepMs = granularity === 'hour' ? hourMs : 24 * hourMs
          expect(starts).toEqual(starts.map((_, index) => range.from.getTime() + index * stepMs))
          expect(range.from.getTime() + starts.length * stepMs).toBe(range.to.getTime())
          expect(range.from <= from && range.to >= to.at).toBe(true)
          const days = daysOf(spanOf(range))
          expect(new Set(days).size).toBe(days.length)
          expect(days.length).toBe(new Set(starts.map((start) => new Date(start).toISOString().slice(0, 10))).size)
        },
      ),
    )
  })
})

describe('the window of a reconciliation', () => {
  test('is by default the last 24 hours, including the current hour', () => {
    const window = resolveWindow({ from: null, to: null }, now)
    expect(window.from).toEqual(new Date('2026-11-21T17:00:00Z'))
    expect(window.to).toEqual(new Date('2026-11-22T17:00:00Z'))
  })

  test('may have 48 hours, not 49', () => {
    const to = edge('2026-11-22T12:00:00Z')
    expect(bucketStarts(resolveWindow({ from: edge('2026-11-20T12:00:00Z'), to }, now))).toHaveLength(48)
    expect(faultOf(() => resolveWindow({ from: edge('2026-11-20T11:59:00Z'), to }, now)).pointers).toEqual(['/from'])
  })
})
