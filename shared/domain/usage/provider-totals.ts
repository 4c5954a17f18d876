import { addCounts, boundCounts, type DaySums, latest } from './report.ts'
import type { DayCounters } from './usage.ts'

/**
 * The uses of all keys of a provider on one UTC day. `versions` is a version vector: the number of batches that each of
 * the 16 shards had counted when the sums were made.
 */
export interface ProviderDay extends DaySums {
  readonly providerId: string
  readonly versions: readonly number[]
}

/** Adds up the counters of one provider and one day. */
export function totalOf(
  providerId: string,
  day: string,
  versions: readonly number[],
  rows: readonly DayCounters[],
): ProviderDay {
  return {
    providerId,
    day,
    versions,
    total: rows.reduce((total, row) => total + row.total, 0),
    hours: addHours(rows.map(({ hours }) => hours)),
    deniedHours: addHours(rows.map(({ deniedHours }) => deniedHours)),
    outcomes: addCounts(rows.map(({ outcomes }) => outcomes)),
    statusClasses: addCounts(rows.map(({ statusClasses }) => statusClasses)),
    endpoints: boundCounts(addCounts(rows.map(({ endpoints }) => endpoints))),
    lastUsedAt: latest(rows.map(({ lastUsedAt }) => lastUsedAt)) ?? '',
  }
}

/**
 * Compares new totals with the stored totals by version vector. Two overlapping roll-ups may each have counted one
 * shard further than the other: then neither may replace the other, and the day must be counted `again`.
 */
export function decideTotals(mine: ProviderDay, stored: ProviderDay | undefined): 'store' | 'keep' | 'again' {
  if (stored === undefined) return 'store'
  if (dominates(stored.versions, mine.versions)) return 'keep'
  return dominates(mine.versions, stored.versions) ? 'store' : 'again'
}

function dominates(versions: readonly number[], others: readonly number[]): boolean {
  return others.every((other, shard) => (versions[shard] ?? 0) >= other)
}

function addHours(rows: readonly (readonly number[])[]): readonly number[] {
  return Array.from({ length: 24 }, (_, hour) => rows.reduce((sum, hours) => sum + (hours[hour] ?? 0), 0))
}
