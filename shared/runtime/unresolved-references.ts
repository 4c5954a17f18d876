const reference = /@Microsoft\.(?:KeyVault|AppConfiguration)\(/i

const CURE =
  'holds a reference that did not resolve: check the name and version that it points to, and that the app’s identity may read it'

/**
 * Returns the names of the settings that hold the text of a reference, each with the cure. The platform replaces a
 * reference by its value, and leaves the text where it cannot: as a secret, that text would be known to many.
 */
export function unresolvedReferences(
  names: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, string> {
  const unresolved = names.filter((name) => reference.test(environment[name] ?? ''))
  return new Map(unresolved.map((name) => [name, CURE]))
}
