import type { KeyCount } from './domain/key-count.ts'
import type { OneProvider } from './domain/provider-scope.ts'
import type { Versioned } from './ports.ts'

/** How many keys each provider has. Every method throws `store_unavailable` when the store cannot be asked. */
export interface KeyCountStore {
  find(scope: OneProvider): Promise<Versioned<KeyCount> | undefined>
  /** `version` null means: there must be none yet. */
  put(scope: OneProvider, count: KeyCount, version: string | null): Promise<'stored' | 'stale'>
}
