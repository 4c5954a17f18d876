import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import { erasedKey, pseudonyms } from '../../domain/keys/erasure.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { ErasureStore } from '../../ports/erasures.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { KeyDigests } from '../key-digests.ts'
import { type ChangeKeyNeeds, endKey } from './change-key.ts'
import { getKey } from './get-key.ts'

export interface EraseRowNeeds extends ChangeKeyNeeds {
  readonly digests: Pick<KeyDigests, 'ofOwner'>
  readonly clock: Clock
}

export interface EraseKeyNeeds extends EraseRowNeeds {
  readonly erasures: Pick<ErasureStore, 'open'>
}

/**
 * Erases what a revoked key tells of a person: at once in its row, within 10 s on every instance, and in the usage data by
 * the background (`eraseUsage`), which is asked first. So a crash, or an error after that, leaves an erasure that the
 * background completes. Idempotent: a second call keeps `erasedAt`, and has the usage data erased once more.
 *
 * Throws `key_not_found`, `key_not_revoked`, `store_unavailable`, and `conflict` after 8 lost races.
 */
export async function eraseKey(needs: EraseKeyNeeds, scope: ProviderScope, keyId: string): Promise<Key> {
  const key = await getKey(needs.ending, scope, keyId)
  refuseUnrevoked(key)
  const now = needs.clock.now()
  await needs.erasures.open({ keyId, providerId: key.providerId, requestedAt: now, notBefore: now, pass: null })
  return eraseKeyRow(needs, scope, keyId)
}

/** Erases the texts of the key's row, and has every instance drop what it has cached of them. Idempotent. */
export function eraseKeyRow(needs: EraseRowNeeds, scope: ProviderScope, keyId: string): Promise<Key> {
  return endKey(needs, scope, keyId, (key) => {
    refuseUnrevoked(key)
    return erasedKey(key, ownerPseudonyms(needs, key.providerId), needs.clock.now())
  })
}

/** The pseudonyms of a provider's owners: the same for all keys of an owner, so that counts stay together. */
export function ownerPseudonyms({ digests }: Pick<EraseRowNeeds, 'digests'>, providerId: string) {
  return pseudonyms((ownerId) => digests.ofOwner(providerId, ownerId))
}

function refuseUnrevoked({ revocation }: Key): void {
  if (revocation === null) throw new AppError('key_not_revoked', 'The key is not revoked. Revoke it first.')
}
