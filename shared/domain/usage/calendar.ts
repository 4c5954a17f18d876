const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** The tolerated clock skew: a use further in the future is counted as of `now` plus this, a pushed event is refused. */
export const SKEW_MS_MAX = 5 * MINUTE_MS

/** A UTC day is closed for counting once it is more than this many days old. */
export const SEAL_AFTER_DAYS = 35

/** The time that an event is counted under, in ms since the epoch. */
export function countedAtMs(eventMs: number, nowMs: number): number {
  return Math.min(eventMs, nowMs + SKEW_MS_MAX)
}

/** The number of whole hours since the epoch. */
export function hourIndex(ms: number): number {
  return Math.floor(ms / HOUR_MS)
}

// A cache of one: nearly every use is in the same hour as the use before it.
let latestHour = { index: Number.NaN, name: '' }

/** `YYYYMMDDHH`, UTC. */
export function hourName(index: number): string {
  if (latestHour.index !== index) latestHour = { index, name: makeHourName(index) }
  return latestHour.name
}

function makeHourName(index: number): string {
  const iso = new Date(index * HOUR_MS).toISOString()
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 10)}${iso.slice(11, 13)}`
}

/** `YYYYMMDD` of an hour `YYYYMMDDHH`. */
export function dayOfHour(hour: string): string {
  return hour.slice(0, 8)
}

/** `YYYYMMDD`, UTC, of the day `daysAgo` days before `now`. */
export function dayName(now: Date, daysAgo = 0): string {
  return new Date(now.getTime() - daysAgo * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')
}

/** `YYYYMM`, UTC, of the month `monthsAgo` months before that of `now`. */
export function monthName(now: Date, monthsAgo = 0): string {
  return dayName(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - monthsAgo))).slice(0, 6)
}

/** The month after a month, both `YYYYMM`. */
export function monthAfter(month: string): string {
  return monthName(new Date(startOfMonthMs(month)), -1)
}

function startOfMonthMs(month: string): number {
  return Date.UTC(Number(month.slice(0, 4)), Number(month.slice(4)) - 1)
}

/** Every day of a month `YYYYMM`. */
export function daysOfMonth(month: string): readonly string[] {
  const first = startOfMonthMs(month)
  return Array.from({ length: 31 }, (_, day) => dayName(new Date(first + day * DAY_MS))).filter((day) =>
    day.startsWith(month),
  )
}

/** The first day of the oldest month that is kept: a month goes when it ended `retentionMonths` months ago. */
export function firstDayKept(now: Date, retentionMonths: number): string {
  return `${monthName(now, retentionMonths)}01`
}

/** Whether counting has ended for a day `YYYYMMDD`. */
export function isClosedDay(day: string, now: Date): boolean {
  return day < dayName(now, SEAL_AFTER_DAYS)
}
