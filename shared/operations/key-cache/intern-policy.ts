import type { Key } from '../../domain/keys/key.ts'

const PARTS_MAX = 10_000

/**
 * Returns a function that gives keys of equal policy the very same parts. Customers of one plan have one policy: a
 * cache of their keys then holds it once, and what is asked of every key stays in the processor's reach.
 */
export function internPolicy(): (key: Key) => Key {
  const parts = new Map<string, unknown>()

  function intern<Part>(part: Part): Part {
    const text = JSON.stringify(part)
    const known = parts.get(text)
    if (known !== undefined) return known as Part
    if (parts.size >= PARTS_MAX) parts.clear()
    parts.set(text, part)
    return part
  }

  return (key) => ({
    ...key,
    providerId: intern(key.providerId),
    pepperVersion: intern(key.pepperVersion),
    createdBy: intern(key.createdBy),
    scopes: intern(key.scopes),
    ipRestrictions: intern(key.ipRestrictions),
    rateLimits: intern(key.rateLimits),
    quota: intern(key.quota),
  })
}
