import type { Key, Revocation } from '../../domain/keys/key.ts'
import type { WriteBehindReplica } from './write-behind-replica.ts'

/** The revocations that this instance has ever seen: no store, cache or replica that says otherwise later undoes them. */
export interface RevocationList {
  add(digest: string, revocation: Revocation): void
  /** The key as it is, and revoked where it is known to be. Remembers the revocation of a revoked one. */
  apply(key: Key): Key
}

/** At most `maxEntries` in memory, where those that were neither added nor asked for the longest go first; the rest on disk. */
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

  function add(digest: string, revocation: Revocation): void {
    if (!revocations.has(digest)) replica.keyRevoked(digest, revocation)
    remember(digest, revocation)
  }

  function find(digest: string): Revocation | undefined {
    const revocation = revocations.get(digest) ?? replica.findRevocation(digest)
    if (revocation !== undefined) remember(digest, revocation)
    return revocation
  }

  return {
    add,
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
