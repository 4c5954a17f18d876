import type { Key, Revocation } from '../domain/keys/key.ts'
import type { Provider } from '../domain/keys/provider.ts'

/** A value, and when the read that brought it began: ms since the epoch. */
export interface ReadAt<Value> {
  readonly value: Value
  readonly readAtMs: number
}

/** One atomic step of a replica, in this order. */
export interface ReplicaStep {
  /** Removes every key and provider first; revocations stay. */
  readonly forget: boolean
  readonly revoked: readonly { readonly digest: string; readonly revocation: Revocation }[]
  readonly removedKeys: readonly string[]
  readonly removedProviders: readonly string[]
  readonly keys: readonly ReadAt<Key>[]
  /** `provider` null: there is none. */
  readonly providers: readonly ReadAt<{ readonly providerId: string; readonly provider: Provider | null }>[]
  /** undefined leaves it as it is. */
  readonly watermarkMs: number | undefined
}

/**
 * What this instance keeps on its own disk: digests and policy, never a secret. Holds a bounded number of keys; those read
 * the longest ago go first. A row that cannot be read is as good as none; a file that fails throws.
 */
export interface KeyReplica {
  findByDigest(digest: string): ReadAt<Key> | undefined
  findByKeyId(keyId: string): ReadAt<Key> | undefined
  /** `value` null: there was none. */
  findProvider(providerId: string): ReadAt<Provider | null> | undefined
  findRevocation(digest: string): Revocation | undefined
  /** Every change up to then is in here: ms since the epoch. undefined in a new one. */
  watermarkMs(): number | undefined
  countKeys(): number
  save(step: ReplicaStep): void
}
