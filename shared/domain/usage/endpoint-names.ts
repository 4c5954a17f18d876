/** The most names that one day of one key keeps apart, `other` not among them. */
export const ENDPOINT_NAMES_MAX = 50

/** The most characters that those names take together as JSON, so that a full transaction stays below 2 MB. */
export const ENDPOINT_UNITS_MAX = 4096

/** The longest endpoint name, in UTF-16 units. */
const ENDPOINT_LENGTH_MAX = 255

/** Where the uses of the endpoints are counted that are not among the busiest. */
const OTHER_ENDPOINTS = 'other'

/** Where the uses are counted whose caller named no endpoint. */
const UNNAMED_ENDPOINT = '(none)'

/** A name as it is counted: cut to `ENDPOINT_LENGTH_MAX`. */
export function countedEndpoint(name: string): string {
  if (name === '') return UNNAMED_ENDPOINT
  return name.length <= ENDPOINT_LENGTH_MAX ? name : name.slice(0, ENDPOINT_LENGTH_MAX)
}

/**
 * Keeps the busiest names and adds the rest to `other`, so that the sum stays what it was. A name that was moved to
 * `other` once begins at zero when it is seen again: below the bound the counts are exact, above it they are a ranking.
 */
export function boundEndpoints(counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  if (counts.size <= ENDPOINT_NAMES_MAX && unitsOf(counts.keys()) <= ENDPOINT_UNITS_MAX) return counts
  const ranked = [...counts].filter(([name]) => name !== OTHER_ENDPOINTS).sort(byCountThenName)
  const kept = new Map<string, number>()
  let units = 0
  let rest = counts.get(OTHER_ENDPOINTS) ?? 0
  for (const [name, count] of ranked) {
    if (kept.size < ENDPOINT_NAMES_MAX && units + unitsOf([name]) <= ENDPOINT_UNITS_MAX) {
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
