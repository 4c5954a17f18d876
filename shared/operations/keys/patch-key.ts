import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Key, KeyPolicy } from '../../domain/keys/key.ts'
import { countsTowardQuota } from '../../domain/keys/key-count.ts'
import { editedLineage, type LimitLineage } from '../../domain/keys/limit-lineage.ts'
import type { Clock } from '../../ports/runtime.ts'
import { type ChangeKeyNeeds, changeKey, endKey } from './change-key.ts'
import { faultsOfRules, faultsOfTimes, refuseFaults } from './generate-key.ts'
import type { KeyQuotas } from './key-quotas.ts'

/** The fields that may change; an absent field stays as it is. */
export type KeyChanges = Partial<Omit<KeyPolicy, 'notBefore'> & { readonly enabled: boolean }>

/**
 * Changes the policy of a key. `authorize` gets the key before and after the change, and throws when the caller may not
 * make it. Throws `key_revoked` for a revoked key: a revocation is final. A later expiry revives an expired key, which
 * takes a place like a new key: throws `key_quota_exceeded` when the provider's quota has none free.
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
  const revives =
    found && !countsTowardQuota(found.value, startedAt) && countsTowardQuota({ ...found.value, ...changes }, startedAt)
  if (found === undefined || revives !== true) return change()
  const { kind, providerId } = found.value
  return needs.keyQuotas.admit({ kind, providerId, keyId, purpose: 'revive' }, change, () => true)

  function change(): Promise<Key> {
    return (changes.enabled === false ? endKey : changeKey)(needs, scope, keyId, decide)
  }

  function decide(key: Key): Key {
    const now = needs.clock.now()
    const changed: Key = { ...key, ...changes, lineage: lineageAfter(key, changes, now), updatedAt: now }
    authorize(key, changed)
    if (key.revocation !== null) throw new AppError('key_revoked', 'The key is revoked and can no longer be changed.')
    if (changes.expiresAt !== undefined) refuseFaults(faultsOfTimes(changed, now))
    return changed
  }
}

function lineageAfter(key: Key, { rateLimits, quota }: KeyChanges, now: Date): LimitLineage | null {
  if (rateLimits === undefined && quota === undefined) return key.lineage
  return { ...editedLineage(key, rateLimits ?? key.rateLimits, now), keyId: key.lineage?.keyId ?? key.keyId }
}
