import { boundEndpoints } from './endpoint-names.ts'
import { bucketStarts, DAY_MS, HOUR_MS, spanOf, startOfDay, type UsageRange } from './range.ts'
import type { DayCounters } from './usage.ts'

/** Counts by name: of outcomes, status classes or endpoints. */
export type Counts = Readonly<Record<string, number>>

/** The counters of one UTC day that are added up, of one key or of many. */
export type DaySums = Pick<
  DayCounters,
  'day' | 'total' | 'hours' | 'deniedHours' | 'outcomes' | 'statusClasses' | 'endpoints' | 'lastUsedAt'
>

interface UsageTotals {
  readonly total: number
  readonly valid: number
  readonly denied: number
}

export interface Uses {
  readonly total: number
  readonly denied: number
}

interface UsageBucket extends Uses {
  readonly start: Date
}

/**
 * Uses in a range of time. `totals` and `buckets` cover exactly the range. The `by…` counts are stored per day and
 * cover `breakdownFrom` up to `breakdownTo`: the range widened to whole UTC days.
 */
export interface UsageSummary {
  readonly range: UsageRange
  readonly totals: UsageTotals
  readonly breakdownFrom: Date
  readonly breakdownTo: Date
  readonly byOutcome: Counts
  readonly byStatus: Counts
  /** The busiest endpoints; `other` counts the rest. */
  readonly byEndpoint: Counts
  readonly lastUsedAt: string | null
  /** One for every hour or day of the range, in order, also without a use. */
  readonly buckets: readonly UsageBucket[]
}

/** Adds up days. Ignores days outside the range. */
export function summarize(range: UsageRange, rows: readonly DaySums[]): UsageSummary {
  const span = spanOf(range)
  const inside = rows.filter(({ day }) => day >= span.first && day <= span.last)
  const buckets = fillBuckets(range, inside)
  const total = sum(buckets.map((bucket) => bucket.total))
  const denied = sum(buckets.map((bucket) => bucket.denied))
  return {
    range,
    totals: { total, valid: total - denied, denied },
    breakdownFrom: startOfDay(span.first),
    breakdownTo: new Date(startOfDay(span.last).getTime() + DAY_MS),
    byOutcome: addCounts(inside.map(({ outcomes }) => outcomes)),
    byStatus: addCounts(inside.map(({ statusClasses }) => statusClasses)),
    byEndpoint: boundCounts(addCounts(inside.map(({ endpoints }) => endpoints))),
    lastUsedAt: latest(inside.map(({ lastUsedAt }) => lastUsedAt)),
    buckets,
  }
}

/** The uses and refused uses of one day inside the range. */
export function usesWithin(range: UsageRange, row: Pick<DaySums, 'day' | 'hours' | 'deniedHours'>): Uses {
  const midnight = startOfDay(row.day).getTime()
  const first = Math.max(0, (range.from.getTime() - midnight) / HOUR_MS)
  const end = Math.max(first, Math.min(24, (range.to.getTime() - midnight) / HOUR_MS))
  return { total: sum(row.hours.slice(first, end)), denied: sum(row.deniedHours.slice(first, end)) }
}

/** The latest of ISO 8601 UTC instants, or null for none. */
export function latest(instants: readonly string[]): string | null {
  return instants.reduce<string | null>((last, at) => (last === null || at > last ? at : last), null)
}

/** The instant, but never after `now`: the clock of the process that saw the use may have been ahead. */
export function notAfter(instant: string, now: Date): string {
  const latestInstant = now.toISOString()
  return instant < latestInstant ? instant : latestInstant
}

/** Adds up counts by name. */
export function addCounts(counts: readonly Counts[]): Counts {
  const added = new Map<string, number>()
  for (const record of counts) {
    for (const [name, count] of Object.entries(record)) added.set(name, (added.get(name) ?? 0) + count)
  }
  return Object.fromEntries(added)
}

/** Keeps the busiest endpoints; `other` counts the rest. */
function boundCounts(endpoints: Counts): Counts {
  return Object.fromEntries(boundEndpoints(new Map(Object.entries(endpoints))))
}

function fillBuckets(range: UsageRange, rows: readonly DaySums[]): readonly UsageBucket[] {
  const bucketMs = range.granularity === 'hour' ? HOUR_MS : DAY_MS
  const filled = bucketStarts(range).map((start) => ({ start: new Date(start), total: 0, denied: 0 }))
  for (const row of rows) {
    row.hours.forEach((total, hour) => {
      const at = startOfDay(row.day).getTime() + hour * HOUR_MS
      const bucket = filled[Math.floor((at - range.from.getTime()) / bucketMs)]
      if (bucket === undefined) return
      bucket.total += total
      bucket.denied += row.deniedHours[hour] ?? 0
    })
  }
  return filled
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
