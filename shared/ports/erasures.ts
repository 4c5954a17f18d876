import type { Page, PageRequest, Versioned } from './store.ts'

/** An erasure whose usage data are not all erased yet. Times are the service's. */
export interface PendingErasure {
  readonly keyId: string
  readonly providerId: string
  readonly requestedAt: Date
  /** No step before. */
  readonly notBefore: Date
  /** Where the pass over the usage data stands; null between two passes. */
  readonly pass: ErasurePass | null
}

export interface ErasurePass {
  readonly begunAt: Date
  readonly stage: string
  /** The position in the stage; null for its beginning. */
  readonly after: string | null
}

/** The erasures under way, one per key. Every method throws `store_unavailable` while the store is unavailable. */
export interface ErasureStore {
  /** `pending`: the key has one already, which stays as it is. */
  open(erasure: PendingErasure): Promise<'opened' | 'pending'>
  find(keyId: string): Promise<Versioned<PendingErasure> | undefined>
  /** In any order. */
  page(request: PageRequest): Promise<Page<PendingErasure>>
  replace(erasure: PendingErasure, version: string): Promise<'replaced' | 'stale'>
  /** The erasure is complete. A missing one counts as removed. */
  remove(keyId: string, version: string): Promise<'removed' | 'stale'>
}
