import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Key, KeyPolicy } from '../../domain/keys/key.ts'
import { takesPlace } from '../../domain/keys/key-count.ts'
import type { Clock } from '../../ports/runtime.ts'
import { type ChangeKeyNeeds, changeKey } from './change-key.ts'
import { faultsOfRules, faultsOfTimes, refuseFaults } from './generate-key.ts'
import type { KeyQuotas } from './key-quotas.ts'

/** What may change; what is absent stays. */
export type KeyChanges = Partial<Omit<KeyPolicy, 'notBefore'> & { readonly enabled: boolean }>

/**
 * Changes the policy of a key. `authorize` sees the key as it is and as it would be, and throws where the caller may not
 * do that. Throws `key_revoked` for a revoked key: nothing brings it back. A later expiry brings an expired key back, which
 * needs a place like a new one: throws `key_quota_exceeded` where the provider's quota has none.
 */
export async function patchKey(
  needs: ChangeKeyNeeds & { readonly clock: Clock; readonly keyQuotas: KeyQuotas },
  scope: ProviderScope,
  keyId: string,
  changes: KeyChanges,
  authorize: (before: Key, after: Key) => void,
): Promise<Key> {
  refuseFaults(faultsOfRules(changes.ipRestrictions ?? []))
  const found = changes.expiresAt === undefined ? undefined : await needs.keys.findById(scope, keyId)
  const startedAt = needs.clock.now()
  const revives = found && !takesPlace(found.value, startedAt) && takesPlace({ ...found.value, ...changes }, startedAt)
  if (found === undefined || revives !== true) return change()
  const { kind, providerId } = found.value
  return needs.keyQuotas.admit({ kind, providerId, keyId, purpose: 'revive' }, change, () => true)

  function change(): Promise<Key> {
    return changeKey(needs, scope, keyId, decide)
  }

  function decide(key: Key): Key {
    const now = needs.clock.now()
    const changed: Key = { ...key, ...changes, updatedAt: now }
    authorize(key, changed)
    if (key.revocation !== null) throw new AppError('key_revoked', 'The key is revoked and can no longer be changed.')
    if (changes.expiresAt !== undefined) refuseFaults(faultsOfTimes(changed, now))
    return changed
  }
}
