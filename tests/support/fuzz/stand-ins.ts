/**
 * What stands in a drawn request for something that only the world has to which it is sent: so that a request can be
 * drawn before there is a world, and be printed without a secret.
 */
export const standIns = {
  admin: '@admin@',
  secret: '@secret@',
  revokedSecret: '@revoked-secret@',
  /** One use a minute, two a day, and from 10.0.0.0/8 alone. */
  limitedSecret: '@limited-secret@',
  /** A management key of `acme` with every scope. */
  managerSecret: '@manager-secret@',
  /** The same of `zeta`, which has nothing else. */
  strangerSecret: '@stranger-secret@',
  keyId: '@key-id@',
  revokedKeyId: '@revoked-key-id@',
} as const

/** Of each stand-in, by its name, what it stands for. */
export type Cast = Readonly<Record<keyof typeof standIns, string>>

const names = Object.fromEntries(Object.entries(standIns).map(([name, standIn]) => [standIn, name as keyof Cast]))

/** The text with what the stand-ins in it stand for. */
export function castInto(text: string, cast: Cast): string {
  return text.replaceAll(/@[a-z-]+@/g, (standIn) => {
    const name = names[standIn]
    return name === undefined ? standIn : cast[name]
  })
}
