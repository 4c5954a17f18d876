import { AppError } from '../domain/errors.ts'
import type { Key, KeyPolicy } from '../domain/key.ts'
import type { ProviderScope } from '../domain/provider-scope.ts'
import type { Clock } from '../ports.ts'
import { type ChangeKeyNeeds, changeKey } from './change-key.ts'
import { faultsOfRules, faultsOfTimes, refuseFaults } from './generate-key.ts'

/** What may change; what is absent stays. */
export type KeyChanges = Partial<Omit<KeyPolicy, 'notBefore'> & { readonly enabled: boolean }>

/**
 * Changes the policy of a key. `authorize` sees the key as it is and as it would be, and throws where the caller may not
 * do that. Throws `key_revoked` for a revoked key: nothing brings it back.
 */
export async function patchKey(
  needs: ChangeKeyNeeds & { readonly clock: Clock },
  scope: ProviderScope,
  keyId: string,
  changes: KeyChanges,
  authorize: (before: Key, after: Key) => void,
): Promise<Key> {
  refuseFaults(faultsOfRules(changes.ipRestrictions ?? []))
  return changeKey(needs, scope, keyId, (key) => {
    const now = needs.clock.now()
    const changed: Key = { ...key, ...changes, updatedAt: now }
    authorize(key, changed)
    if (key.revocation !== null) throw new AppError('key_revoked', 'The key is revoked and can no longer be changed.')
    if (changes.expiresAt !== undefined) refuseFaults(faultsOfTimes(changed, now))
    return changed
  })
}
