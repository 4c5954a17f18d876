import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { scopeAllows } from '../../domain/access/scope.ts'
import { type Environment, type Key, type KeyStatus, keyStatus } from '../../domain/keys/key.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { Page } from '../../ports/store.ts'

/** An undefined field matches every key. */
export interface KeyFilter {
  readonly environment?: Environment | undefined
  readonly status?: KeyStatus | undefined
  readonly ownerId?: string | undefined
  /** The id of the caller that made the key. */
  readonly createdBy?: string | undefined
  /** Matches the keys that grant this scope. */
  readonly scope?: string | undefined
  /** Prefix of the name, case-insensitive. */
  readonly namePrefix?: string | undefined
}

// A filter with few matches must not turn one request into a scan of all keys.
const READS_MAX = 20
const KEYS_MAX = 300

/** The next matching keys of a provider, at most `limit`. Returns fewer, with `next` set, after 20 pages or 300 keys. */
export async function listKeys(
  { keys, clock }: { readonly keys: KeyStore; readonly clock: Clock },
  scope: OneProvider,
  filter: KeyFilter,
  { limit, after }: { readonly limit: number; readonly after: string | null },
): Promise<Page<Key>> {
  const matching: Key[] = []
  let position = after
  let [reads, looked] = [0, 0]
  do {
    const wanted = limit - matching.length
    const page = await keys.page(scope, { limit: wanted, after: position })
    matching.push(...page.items.filter((key) => matches(key, filter, clock.now())))
    position = page.next
    looked += wanted
    reads++
  } while (position !== null && matching.length < limit && reads < READS_MAX && looked < KEYS_MAX)
  return { items: matching, next: position }
}

function matches(key: Key, filter: KeyFilter, now: Date): boolean {
  const { environment, status, ownerId, createdBy, scope, namePrefix } = filter
  return (
    (environment === undefined || key.environment === environment) &&
    (ownerId === undefined || key.ownerId === ownerId) &&
    (createdBy === undefined || key.createdBy === createdBy) &&
    (scope === undefined || key.scopes.some((grant) => scopeAllows(grant, scope))) &&
    (namePrefix === undefined || key.name.toLowerCase().startsWith(namePrefix.toLowerCase())) &&
    (status === undefined || keyStatus(key, now) === status)
  )
}
