import type { Key, Revocation } from './domain/key.ts'
import type { Provider } from './domain/provider.ts'

/** That a key or a provider is no longer as it was. `revocation` is set where the key is revoked. */
export type Change =
  | {
      readonly kind: 'key'
      readonly digest: string
      readonly keyId: string
      readonly providerId: string
      readonly revocation: Revocation | null
    }
  | { readonly kind: 'provider'; readonly providerId: string }

/** `id` tells one entry of the feed from another about the same key. */
export interface FedChange {
  readonly id: string
  readonly change: Change
}

/** What every instance is told. Both methods throw `store_unavailable` when the store cannot be asked. */
export interface ChangeFeed {
  /** `at` is the writer's time, read before the write began. */
  append(change: Change, at: Date): Promise<void>
  /** Every change with an `at` of `from` or later, up to the end of the hour of `until`; in no order. */
  read(from: Date, until: Date): Promise<readonly FedChange[]>
}

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
