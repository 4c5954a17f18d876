import { boundEndpoints } from './endpoint-names.ts'
import type { Counts, DaySums } from './report.ts'
import type { DayCounters } from './usage.ts'

/**
 * The uses of all keys of a provider on one UTC day. `versions` is a version vector: the number of batches that each of
 * the 16 shards had counted when the sums were made.
 */
export interface ProviderDay extends DaySums {
  readonly providerId: string
  readonly versions: readonly number[]
}

/** Adds up the counters of one provider and one day, row by row. Holds sums and no row. */
export interface ProviderDaySum {
  add(row: DayCounters): void
  total(versions: readonly number[]): ProviderDay
}

/** More names than a total shows, so that the busiest of them hardly depend on the order of the rows. */
const NAMES_HELD = { max: 250, kept: 200, units: 20_000 }

export function sumProviderDay(providerId: string, day: string): ProviderDaySum {
  const hours = new Array<number>(24).fill(0)
  const deniedHours = new Array<number>(24).fill(0)
  const [outcomes, statusClasses] = [new Map<string, number>(), new Map<string, number>()]
  let endpoints: Map<string, number> = new Map()
  let total = 0
  let lastUsedAt = ''
  return {
    add: (row) => {
      total += row.total
      for (let hour = 0; hour < 24; hour++) {
        hours[hour] = (hours[hour] ?? 0) + (row.hours[hour] ?? 0)
        deniedHours[hour] = (deniedHours[hour] ?? 0) + (row.deniedHours[hour] ?? 0)
      }
      addInto(outcomes, row.outcomes)
      addInto(statusClasses, row.statusClasses)
      addInto(endpoints, row.endpoints)
      if (endpoints.size > NAMES_HELD.max) {
        endpoints = new Map(boundEndpoints(endpoints, NAMES_HELD.kept, NAMES_HELD.units))
      }
      if (row.lastUsedAt > lastUsedAt) lastUsedAt = row.lastUsedAt
    },
    total: (versions) => ({
      ...{ providerId, day, versions, total, hours: [...hours], deniedHours: [...deniedHours], lastUsedAt },
      outcomes: Object.fromEntries(outcomes),
      statusClasses: Object.fromEntries(statusClasses),
      endpoints: Object.fromEntries(boundEndpoints(endpoints)),
    }),
  }
}

function addInto(sums: Map<string, number>, counts: Counts): void {
  for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count)
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
