/** The most endpoint names that one day of one key counts separately, without `other`. */
export const ENDPOINT_NAMES_MAX = 50

/** The most characters that these names have together as JSON, so a full transaction stays below 2 MB. */
export const ENDPOINT_UNITS_MAX = 4096

/** The longest endpoint name, in UTF-16 units. */
const ENDPOINT_LENGTH_MAX = 255

/** Counts the uses of all endpoints that are not among the busiest. */
const OTHER_ENDPOINTS = 'other'

/** Counts the uses whose caller named no endpoint. */
const UNNAMED_ENDPOINT = '(none)'

/** The name that an endpoint is counted under: cut to `ENDPOINT_LENGTH_MAX`. */
export function countedEndpoint(name: string): string {
  if (name === '') return UNNAMED_ENDPOINT
  return name.length <= ENDPOINT_LENGTH_MAX ? name : name.slice(0, ENDPOINT_LENGTH_MAX)
}

/**
 * Keeps the busiest names and adds the rest to `other`, so the sum does not change. A name that was moved to `other`
 * starts at zero when it is seen again: below the bound the counts are exact, above it they are a ranking.
 */
export function boundEndpoints(
  counts: ReadonlyMap<string, number>,
  namesMax: number = ENDPOINT_NAMES_MAX,
  unitsMax: number = ENDPOINT_UNITS_MAX,
): ReadonlyMap<string, number> {
  if (counts.size <= namesMax && unitsOf(counts.keys()) <= unitsMax) return counts
  const ranked = [...counts].filter(([name]) => name !== OTHER_ENDPOINTS).sort(byCountThenName)
  const kept = new Map<string, number>()
  let units = 0
  let rest = counts.get(OTHER_ENDPOINTS) ?? 0
  for (const [name, count] of ranked) {
    if (kept.size < namesMax && units + unitsOf([name]) <= unitsMax) {
      kept.set(name, count)
      units += unitsOf([name])
    } else {
      rest += count
    }
  }
  return rest === 0 ? kept : kept.set(OTHER_ENDPOINTS, rest)
}

function unitsOf(names: Iterable<string>): number {
  let units = 0
  for (const name of names) units += JSON.stringify(name).length
  return units
}

function byCountThenName(a: readonly [string, number], b: readonly [string, number]): number {
  return b[1] - a[1] || (a[0] < b[0] ? -1 : 1)
}
