import type { Key, Revocation } from '../../domain/keys/key.ts'
import type { WriteBehindReplica } from './write-behind-replica.ts'

/** Every revocation that this instance has seen. No later read from a store, cache or replica undoes one. */
export interface RevocationList {
  add(digest: string, revocation: Revocation): void
  /** Puts the revocation in the place of an earlier one, on the disk too. */
  replace(digest: string, revocation: Revocation): void
  /** Returns the key, revoked if the list has its revocation. Adds the revocation of a revoked key to the list. */
  apply(key: Key): Key
  /** The same for a key that `apply` saw lately: looks into the memory only, where every later revocation is. */
  applyRecent(key: Key): Key
}

/** Holds at most `maxEntries` in memory and evicts the least recently used; all are in the replica on the disk. */
export function revocationList(
  replica: Pick<WriteBehindReplica, 'findRevocation' | 'keyRevoked'>,
  maxEntries: number,
): RevocationList {
  // A Map keeps the order of insertion, and costs nothing before it is filled.
  const revocations = new Map<string, Revocation>()

  function remember(digest: string, revocation: Revocation): void {
    revocations.delete(digest)
    revocations.set(digest, revocation)
    if (revocations.size <= maxEntries) return
    const [oldest] = revocations.keys()
    if (oldest !== undefined) revocations.delete(oldest)
  }

  /** Its text stays in the row of the key: no verdict needs it, and an erasure would have to follow it everywhere. */
  function replace(digest: string, revocation: Revocation): void {
    const listed = { ...revocation, text: null }
    replica.keyRevoked(digest, listed)
    remember(digest, listed)
  }

  function add(digest: string, revocation: Revocation): void {
    const listed = revocations.get(digest)
    if (listed === undefined) replace(digest, revocation)
    else remember(digest, listed)
  }

  function find(digest: string): Revocation | undefined {
    const revocation = revocations.get(digest) ?? replica.findRevocation(digest)
    if (revocation !== undefined) remember(digest, revocation)
    return revocation
  }

  return {
    add,
    replace,
    applyRecent(key) {
      const revocation = key.revocation === null ? revocations.get(key.digest) : undefined
      return revocation === undefined ? key : { ...key, revocation }
    },
    apply(key) {
      if (key.revocation !== null) {
        add(key.digest, key.revocation)
        return key
      }
      const revocation = find(key.digest)
      return revocation === undefined ? key : { ...key, revocation }
    },
  }
}
