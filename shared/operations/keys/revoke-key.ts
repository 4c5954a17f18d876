import { covers, type ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError, isOutage } from '../../domain/errors.ts'
import type { Key, Revocation } from '../../domain/keys/key.ts'
import type { RevocationSpool } from '../../ports/keys.ts'
import { type RevokeKeyInput, type RevokeKeyNeeds, revokeKey } from './write-revocation.ts'

export interface RevokeAnyhowNeeds extends RevokeKeyNeeds {
  readonly pendingRevocations: Pick<RevocationSpool, 'put'>
}

/** `pending`: in force on this instance, kept on its disk, and carried out everywhere once the store is back. */
export type AnyhowRevoked =
  | { readonly kind: 'revoked'; readonly key: Key }
  | { readonly kind: 'pending'; readonly key: Key & { readonly revocation: Revocation } }

/**
 * Revokes a key, and does not let the store be in the way: one that this instance knows is dead here at once. Throws
 * `key_not_found`, and `store_unavailable` for a key that nobody here knows or where there is no disk to keep it on.
 */
export async function revokeAnyhow(
  needs: RevokeAnyhowNeeds,
  scope: ProviderScope,
  asked: RevokeKeyInput,
): Promise<AnyhowRevoked> {
  const input = { ...asked, at: asked.at ?? needs.clock.now() }
  try {
    return { kind: 'revoked', key: await revokeKey(needs, scope, input) }
  } catch (error) {
    const known = isOutage(error) ? needs.keyLookup.recall(input.keyId) : undefined
    if (known === undefined || !covers(scope, known.providerId)) throw error
    const key = asRevoked(known, input)
    // First of all: whatever becomes of the disk, the safe direction waits for nothing.
    needs.keyLookup.revokeHere(key)
    keep(needs.pendingRevocations, key)
    return { kind: 'pending', key }
  }
}

function asRevoked(key: Key, { at, by, reason, text, replacedBy }: RevokeKeyInput & { readonly at: Date }) {
  if (key.revocation !== null) return { ...key, revocation: key.revocation }
  return { ...key, revocation: { at, by, reason, text }, replacedBy: replacedBy ?? key.replacedBy, updatedAt: at }
}

function keep(pending: Pick<RevocationSpool, 'put'>, key: Key): void {
  try {
    pending.put(key)
  } catch (cause) {
    throw new AppError('store_unavailable', 'The key could not be revoked everywhere. Try again.', { cause })
  }
}
