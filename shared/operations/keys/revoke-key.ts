import { covers, type ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError, isOutage } from '../../domain/errors.ts'
import type { Key, Revocation, RevocationReason } from '../../domain/keys/key.ts'
import type { RevocationSpool } from '../../ports/keys.ts'
import type { Clock } from '../../ports/runtime.ts'
import { type ChangeKeyNeeds, changeKey } from './change-key.ts'

export interface RevocationInput {
  readonly keyId: string
  readonly reason: RevocationReason
  readonly text: string | null
  readonly replacedBy: string | null
  readonly by: string
  /** When it was asked for; now where absent. */
  readonly at?: Date
}

export type WriteRevocationNeeds = ChangeKeyNeeds & { readonly clock: Clock }

export interface RevokeKeyNeeds extends WriteRevocationNeeds {
  readonly pendingRevocations: Pick<RevocationSpool, 'put'>
}

/** `pending`: in force on this instance, kept on its disk, and carried out everywhere once the store is back. */
export type RevokeOutcome =
  | { readonly kind: 'revoked'; readonly key: Key }
  | { readonly kind: 'pending'; readonly key: Key & { readonly revocation: Revocation } }

/**
 * Revokes a key, and does not let the store be in the way: one that this instance knows is dead here at once. Throws
 * `key_not_found`, and `store_unavailable` for a key that nobody here knows or where there is no disk to keep it on.
 */
export async function revokeKey(
  needs: RevokeKeyNeeds,
  scope: ProviderScope,
  asked: RevocationInput,
): Promise<RevokeOutcome> {
  const input = { ...asked, at: asked.at ?? needs.clock.now() }
  try {
    return { kind: 'revoked', key: await writeRevocation(needs, scope, input) }
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

/** Revokes a key for good. Revoking it again changes nothing: the first reason stands. Throws `key_not_found`. */
export async function writeRevocation(
  needs: WriteRevocationNeeds,
  scope: ProviderScope,
  { keyId, reason, text, replacedBy, by, at = needs.clock.now() }: RevocationInput,
): Promise<Key> {
  return changeKey(needs, scope, keyId, (key) => {
    if (key.revocation !== null) return key
    return { ...key, revocation: { at, by, reason, text }, replacedBy: replacedBy ?? key.replacedBy, updatedAt: at }
  })
}

function asRevoked(key: Key, { at, by, reason, text, replacedBy }: RevocationInput & { readonly at: Date }) {
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
