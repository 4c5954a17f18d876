/**
 * Placeholders in a generated request for values of the world that it is sent to. A request can be generated before its
 * world exists, and printed without a secret.
 */
export const placeholders = {
  admin: '@admin@',
  secret: '@secret@',
  revokedSecret: '@revoked-secret@',
  /** One use a minute, two a day, only from 10.0.0.0/8. */
  limitedSecret: '@limited-secret@',
  /** A management key of `acme` with every scope. */
  managerSecret: '@manager-secret@',
  /** The same of `zeta`, which has no other key. */
  strangerSecret: '@stranger-secret@',
  keyId: '@key-id@',
  revokedKeyId: '@revoked-key-id@',
} as const

/** The value of each placeholder, by its name. */
export type PlaceholderValues = Readonly<Record<keyof typeof placeholders, string>>

const names = Object.fromEntries(
  Object.entries(placeholders).map(([name, placeholder]) => [placeholder, name as keyof PlaceholderValues]),
)

/** Replaces every placeholder in a text with its value. */
export function fillPlaceholders(text: string, values: PlaceholderValues): string {
  return text.replaceAll(/@[a-z-]+@/g, (placeholder) => {
    const name = names[placeholder]
    return name === undefined ? placeholder : values[name]
  })
}
