/** The most names that one day of one key keeps apart, `other` not among them. */
export const endpointNamesMax = 50

/** The most characters that those names take together as JSON, so that a full transaction stays below 2 MB. */
export const endpointUnitsMax = 4096

/** The longest endpoint name, in UTF-16 units. */
const endpointLengthMax = 255

/** Where the uses of the endpoints are counted that are not among the busiest. */
const otherEndpoints = 'other'

/** Where the uses are counted whose caller named no endpoint. */
const unnamedEndpoint = '(none)'

/** A name as it is counted: cut to `endpointLengthMax`. */
export function countedEndpoint(name: string): string {
  if (name === '') return unnamedEndpoint
  return name.length <= endpointLengthMax ? name : name.slice(0, endpointLengthMax)
}

/**
 * Keeps the busiest names and adds the rest to `other`, so that the sum stays what it was. A name that was moved to
 * `other` once begins at zero when it is seen again: below the bound the counts are exact, above it they are a ranking.
 */
export function boundEndpoints(counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  if (counts.size <= endpointNamesMax && unitsOf(counts.keys()) <= endpointUnitsMax) return counts
  const ranked = [...counts].filter(([name]) => name !== otherEndpoints).sort(byCountThenName)
  const kept = new Map<string, number>()
  let units = 0
  let rest = counts.get(otherEndpoints) ?? 0
  for (const [name, count] of ranked) {
    if (kept.size < endpointNamesMax && units + unitsOf([name]) <= endpointUnitsMax) {
      kept.set(name, count)
      units += unitsOf([name])
    } else {
      rest += count
    }
  }
  return rest === 0 ? kept : kept.set(otherEndpoints, rest)
}

function unitsOf(names: Iterable<string>): number {
  let units = 0
  for (const name of names) units += JSON.stringify(name).length
  return units
}

function byCountThenName(a: readonly [string, number], b: readonly [string, number]): number {
  return b[1] - a[1] || (a[0] < b[0] ? -1 : 1)
}
