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
  /** When the revocation was requested; defaults to now. */
  readonly at?: Date
}

export type WriteRevocationNeeds = ChangeKeyNeeds & { readonly clock: Clock }

export interface RevokeKeyNeeds extends WriteRevocationNeeds {
  readonly pendingRevocations: Pick<RevocationSpool, 'put'>
}

/** `pending`: in force on this instance and spooled on its disk; in force everywhere once the store is back. */
export type RevokeOutcome =
  | { readonly kind: 'revoked'; readonly key: Key }
  | { readonly kind: 'pending'; readonly key: Key & { readonly revocation: Revocation } }

/**
 * Revokes a key, even during an outage of the store: a cached key is revoked on this instance at once, and the
 * revocation is spooled. Throws `key_not_found`; throws `store_unavailable` when, in an outage, the key is not cached
 * here or the revocation cannot be spooled.
 */
export async function revokeKey(
  needs: RevokeKeyNeeds,
  scope: ProviderScope,
  request: RevocationInput,
): Promise<RevokeOutcome> {
  const input = { ...request, at: request.at ?? needs.clock.now() }
  try {
    return { kind: 'revoked', key: await writeRevocation(needs, scope, input) }
  } catch (error) {
    const cached = isOutage(error) ? needs.keyLookup.recall(input.keyId) : undefined
    if (cached === undefined || !covers(scope, cached.providerId)) throw error
    const key = asRevoked(cached, input)
    // Before the write to the disk, which may fail: this instance refuses the key in any case.
    needs.keyLookup.revokeHere(key)
    spool(needs.pendingRevocations, key)
    return { kind: 'pending', key }
  }
}

/** Revokes a key for good. Idempotent: the first reason stands. Throws `key_not_found`. */
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

function spool(pending: Pick<RevocationSpool, 'put'>, key: Key): void {
  try {
    pending.put(key)
  } catch (cause) {
    throw new AppError('store_unavailable', 'The key could not be revoked everywhere. Try again.', { cause })
  }
}
