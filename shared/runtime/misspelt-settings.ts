/** The closest of the names, where a slip of one or two letters makes it; undefined where none is near. */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  const near = names
    .map((name) => ({ name, distance: editDistance(given.toUpperCase(), name) }))
    .filter(({ name, distance }) => distance <= (name.length < LONG_NAME ? 1 : 2))
    .sort((a, b) => a.distance - b.distance)
  return near[0]?.name
}

/** One line per name of the environment that is no setting and looks like one. Other programs' names are far from ours. */
export function misspeltSettings(
  names: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  return Object.keys(environment)
    .filter((given) => !names.includes(given))
    .flatMap((given) => {
      const meant = nearestName(given, names)
      return meant === undefined ? [] : [unknownSetting(given, meant)]
    })
}

/** The line about a name that is no setting, with the name that is meant where one is near. */
export function unknownSetting(given: string, meant: string | undefined): string {
  return `${given} is not a setting${meant === undefined ? '' : `: ${meant} is meant, perhaps`}`
}

/** In a shorter name two letters make another word. */
const LONG_NAME = 9

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
