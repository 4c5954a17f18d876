import type { Key, Revocation } from '../domain/keys/key.ts'
import type { Provider } from '../domain/keys/provider.ts'

/** A value, and when the read that returned it began: ms since the epoch. */
export interface ReadAt<Value> {
  readonly value: Value
  readonly readAtMs: number
}

/** One atomic step of a replica; its parts apply in this order. */
export interface ReplicaStep {
  /** Removes every key and provider first; revocations stay. */
  readonly forget: boolean
  readonly revoked: readonly { readonly digest: string; readonly revocation: Revocation }[]
  readonly removedKeys: readonly string[]
  /** Removed as `removedKeys` are. After the step no file holds anything of these keys, or of their earlier revocations. */
  readonly erasedKeys: readonly string[]
  readonly removedProviders: readonly string[]
  readonly keys: readonly ReadAt<Key>[]
  /** `provider` null: there is none. */
  readonly providers: readonly ReadAt<{ readonly providerId: string; readonly provider: Provider | null }>[]
  /** Undefined leaves the watermark unchanged. */
  readonly watermarkMs: number | undefined
}

/**
 * The cache tier on the local disk: digests and policy, never a secret. Holds a bounded number of keys and evicts the least
 * recently saved. A row that cannot be decoded counts as missing; every method throws when the file fails.
 */
export interface KeyReplica {
  /** The key with this digest or alias. */
  findByDigest(digest: string): ReadAt<Key> | undefined
  findByKeyId(keyId: string): ReadAt<Key> | undefined
  /** `value` null: there was none. */
  findProvider(providerId: string): ReadAt<Provider | null> | undefined
  findRevocation(digest: string): Revocation | undefined
  /** The replica has applied every change up to then: ms since the epoch. Undefined for a new replica. */
  watermarkMs(): number | undefined
  countKeys(): number
  save(step: ReplicaStep): void
}
