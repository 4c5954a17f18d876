import { AppError } from '../errors.ts'
import { dayName } from './calendar.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
const DEFAULT_RANGE_DAYS = 30
const MAX_RANGE_DAYS = 400
const MAX_HOURLY_RANGE_DAYS = 31
const MAX_WINDOW_DAYS = 2
/** Beyond the year 9999 a timestamp has another form, which RFC 3339 does not have. */
const EARLIEST_MS = 0
const LATEST_MS = Date.UTC(9999, 11, 31)

export type Granularity = 'hour' | 'day'

/** One end of a range as the caller wrote it: an instant, or with `wholeDay` a UTC date whose midnight is `at`. */
export interface RangeEdge {
  readonly at: Date
  readonly wholeDay: boolean
}

export interface RangeRequest {
  readonly from: RangeEdge | null
  readonly to: RangeEdge | null
  readonly granularity: Granularity
}

/** Whole UTC hours or days, by granularity: `from` is inclusive, `to` exclusive. */
export interface UsageRange {
  readonly from: Date
  readonly to: Date
  readonly granularity: Granularity
}

/** UTC days, `YYYYMMDD`, both inclusive. */
export interface DaySpan {
  readonly first: string
  readonly last: string
}

/** The midnight at which a day `YYYYMMDD` starts. */
export function startOfDay(day: string): Date {
  return new Date(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6, 8)}T00:00:00.000Z`)
}

/** Every day of a span, in order. */
export function daysOf(span: DaySpan): readonly string[] {
  const days: string[] = []
  for (let at = startOfDay(span.first).getTime(); at <= startOfDay(span.last).getTime(); at += DAY_MS) {
    days.push(dayName(new Date(at)))
  }
  return days
}

/** The days that a range touches. */
export function spanOf(range: { readonly from: Date; readonly to: Date }): DaySpan {
  return { first: dayName(range.from), last: dayName(new Date(range.to.getTime() - 1)) }
}

/**
 * Widens the requested range to whole buckets. A date as `to` is inclusive, an instant exclusive. Without `to` the
 * range ends with the current bucket, without `from` it is 30 days long. Throws `invalid_request` for an empty range,
 * for more than 400 days, and for more than 31 days by the hour.
 */
export function resolveRange(request: RangeRequest, now: Date): UsageRange {
  const { granularity } = request
  const { from, to } = resolveEdges(request, now, DEFAULT_RANGE_DAYS * DAY_MS)
  refuseLonger(from, to, MAX_RANGE_DAYS, '/from', `must be at most ${MAX_RANGE_DAYS} days before \`to\``)
  if (granularity === 'hour') {
    const detail = `can be \`hour\` for ${MAX_HOURLY_RANGE_DAYS} days at most: ask for \`day\`, or for a shorter range`
    refuseLonger(from, to, MAX_HOURLY_RANGE_DAYS, '/granularity', detail)
  }
  return { from, to, granularity }
}

/** Returns the hours to reconcile: by default the last 24, at most 48. Throws `invalid_request`. */
export function resolveWindow(request: Pick<RangeRequest, 'from' | 'to'>, now: Date): UsageRange {
  const { from, to } = resolveEdges({ ...request, granularity: 'hour' }, now, DAY_MS)
  refuseLonger(from, to, MAX_WINDOW_DAYS, '/from', 'must be at most 48 hours before `to`')
  return { from, to, granularity: 'hour' }
}

/** The start of every bucket of a range, in ms since the epoch, in order. */
export function bucketStarts(range: UsageRange): readonly number[] {
  const bucketMs = range.granularity === 'hour' ? HOUR_MS : DAY_MS
  const count = (range.to.getTime() - range.from.getTime()) / bucketMs
  return Array.from({ length: count }, (_, index) => range.from.getTime() + index * bucketMs)
}

function resolveEdges(request: RangeRequest, now: Date, defaultMs: number): { from: Date; to: Date } {
  const bucketMs = request.granularity === 'hour' ? HOUR_MS : DAY_MS
  const to = request.to === null ? floor(now, bucketMs) + bucketMs : endOf(request.to, bucketMs)
  const from = request.from === null ? to - defaultMs : floor(request.from.at, bucketMs)
  if (to > LATEST_MS) throw invalidRange('/to', 'must be at most 9999-12-30')
  if (from < EARLIEST_MS)
    throw invalidRange('/from', 'must be at least 1970-01-01; without it the range begins 30 days before `to`')
  if (from >= to) throw invalidRange('/from', 'must be before `to`')
  return { from: new Date(from), to: new Date(to) }
}

function refuseLonger(from: Date, to: Date, maxDays: number, pointer: string, detail: string): void {
  if (to.getTime() - from.getTime() > maxDays * DAY_MS) throw invalidRange(pointer, detail)
}

function invalidRange(pointer: string, detail: string): AppError {
  return new AppError('invalid_request', 'The request does not match the contract.', { errors: [{ pointer, detail }] })
}

function floor(at: Date, stepMs: number): number {
  return Math.floor(at.getTime() / stepMs) * stepMs
}

function endOf(edge: RangeEdge, bucketMs: number): number {
  if (edge.wholeDay) return edge.at.getTime() + DAY_MS
  return Math.ceil(edge.at.getTime() / bucketMs) * bucketMs
}
