import type { Key } from './key.ts'

/** Replaces an owner by its pseudonym. A pseudonym, and null, stay as they are. */
export type PseudonymOf = (ownerId: string | null) => string | null

const ERASED_NAME = 'erased'
const pseudonymShape = /^erased-[0-9a-f]{32}$/

/** Makes pseudonyms of the owners of one provider. `digest` returns 32 hex digits or more, and cannot be reversed by guessing. */
export function pseudonyms(digest: (ownerId: string) => string): PseudonymOf {
  return (ownerId) =>
    ownerId === null || pseudonymShape.test(ownerId) ? ownerId : `erased-${digest(ownerId).slice(0, 32)}`
}

/**
 * The revoked key without what may tell of a person: name, description, metadata, owner, address rules and the text of the
 * revocation. It stays revoked. Returns the same object for a key that is erased already.
 */
export function erasedKey(key: Key, pseudonymOf: PseudonymOf, now: Date): Key {
  if (key.erasedAt !== undefined) return key
  return {
    ...key,
    ...{ name: ERASED_NAME, description: null, metadata: null, ipRestrictions: [] },
    ownerId: pseudonymOf(key.ownerId),
    revocation: key.revocation && { ...key.revocation, text: null },
    ...{ erasedAt: now, updatedAt: now },
  }
}
