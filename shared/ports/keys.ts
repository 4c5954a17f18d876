import type { EveryProvider, OneProvider, ProviderScope } from '../domain/access/provider-scope.ts'
import type { Key, PendingRevocation, Revocation } from '../domain/keys/key.ts'
import type { KeyCount } from '../domain/keys/key-count.ts'
import type { CountedKey, PepperRecord } from '../domain/keys/pepper-count.ts'
import type { Provider } from '../domain/keys/provider.ts'
import type { StoreInstant } from '../domain/limits/time-interval.ts'
import type { Page, PageRequest, Versioned } from './store.ts'

/**
 * A key or a provider that has changed. `revocation` is set where the key is revoked, `erased` where its texts are erased
 * besides: every instance drops what it has cached of the key, and keeps the revocation.
 */
export type Change =
  | {
      readonly kind: 'key'
      readonly digest: string
      readonly keyId: string
      readonly providerId: string
      readonly revocation: Revocation | null
      readonly erased?: true | undefined
    }
  | { readonly kind: 'provider'; readonly providerId: string }

/** An entry of the feed. `id` separates the entries about one key. */
export interface FedChange {
  readonly id: string
  readonly change: Change
}

/** One read of the feed. */
export interface FeedReading {
  readonly changes: readonly FedChange[]
  /** When the store answered, by its own clock; undefined where it does not say. */
  readonly at: StoreInstant | undefined
}

/**
 * The changes that every instance polls, ordered by the store's time. Both methods throw `store_unavailable` while the
 * store is unavailable.
 */
export interface ChangeFeed {
  /**
   * `at` is the writer's time, read before the write began. Where it is more than 1 s from the time at which the store
   * wrote the entry, the entry is written again at the store's time: no writer's clock matters.
   */
  append(change: Change, at: Date): Promise<void>
  /** Every change at a position of `from` or later, up to the end of the hour of `until`; in no order. */
  read(from: Date, until: Date): Promise<FeedReading>
}

/** How many keys each provider has. Every method throws `store_unavailable` while the store is unavailable. */
export interface KeyCountStore {
  find(scope: OneProvider): Promise<Versioned<KeyCount> | undefined>
  /** `version` null: stores only if there is none yet. */
  put(scope: OneProvider, count: KeyCount, version: string | null): Promise<'stored' | 'stale'>
}

/** Keys, each one authoritative row under its digest. Every method throws `store_unavailable` while the store is unavailable. */
export interface KeyStore {
  /** Writes pointers first and the key last. `exists`: a key with this id or digest is there already. */
  create(key: Key): Promise<'created' | 'exists'>
  /** The key with this digest or alias. One point read, and a second one by an alias. */
  findByDigest(scope: ProviderScope, digest: string): Promise<Key | undefined>
  /** Returns undefined for a missing key and for a key outside the scope. */
  findById(scope: ProviderScope, keyId: string): Promise<Versioned<Key> | undefined>
  /** Makes the key of this digest also found by `alias`. Idempotent. `taken`: another key has the alias. */
  addAlias(digest: string, alias: string): Promise<'added' | 'taken'>
  /** Replaces the row if it is still at `version`. Digest, id and provider never change. */
  replace(key: Key, version: string): Promise<'replaced' | 'stale'>
  /** Newest first within a page where the store sorts; every key exactly once over all pages. */
  page(scope: OneProvider, request: PageRequest): Promise<Page<Key>>
  /** The same over all providers: for internal work that must see every key. */
  pageAll(scope: EveryProvider, request: PageRequest): Promise<Page<Key>>
}

export interface ProviderStore {
  find(scope: OneProvider): Promise<Versioned<Provider> | undefined>
  /** `version` null: stores only if there is none yet. */
  put(scope: OneProvider, provider: Provider, version: string | null): Promise<'stored' | 'stale'>
}

/** The body of a message of `key-events`. `parse` throws for a body that is no revocation. */
export interface RevocationCodec {
  encode(pending: PendingRevocation): string
  parse(body: string): PendingRevocation
}

/** Revocations that are not in the store yet, each as the revoked key. Synced like uses, and never `full`. */
export interface RevocationSpool {
  /** Idempotent: the first revocation of a key stands. */
  put(key: Key): void
  list(): readonly Key[]
  remove(keyId: string): void
}

/** The record of the peppers in use. Every method throws `store_unavailable` while the store is unavailable. */
export interface PepperStore {
  find(): Promise<Versioned<PepperRecord> | undefined>
  /** `version` null: stores only if there is none yet. */
  put(record: PepperRecord, version: string | null): Promise<'stored' | 'stale'>
  /** A page of all keys, of every provider, each exactly once over all pages; in no order. May be empty before the last. */
  keys(after: string | null): Promise<Page<CountedKey>>
}
