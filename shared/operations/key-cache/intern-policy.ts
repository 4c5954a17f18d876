import type { Key } from '../../domain/keys/key.ts'

const PARTS_MAX = 10_000

/**
 * Returns a function that interns the policy of keys: equal parts become the same object. Customers of one plan share
 * one policy, so the cache stores it once, and it stays in the processor's caches.
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
