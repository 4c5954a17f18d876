import type { Key, RevocationReason } from '../domain/key.ts'
import type { ProviderScope } from '../domain/provider-scope.ts'
import type { Clock } from '../ports.ts'
import { type ChangeKeyNeeds, changeKey } from './change-key.ts'

export interface RevokeKeyInput {
  readonly keyId: string
  readonly reason: RevocationReason
  readonly text: string | null
  readonly replacedBy: string | null
  readonly by: string
}

/** Revokes a key for good. Revoking it again changes nothing: the first reason stands. Throws `key_not_found`. */
export async function revokeKey(
  needs: ChangeKeyNeeds & { readonly clock: Clock },
  scope: ProviderScope,
  { keyId, reason, text, replacedBy, by }: RevokeKeyInput,
): Promise<Key> {
  return changeKey(needs, scope, keyId, (key) => {
    if (key.revocation !== null) return key
    const at = needs.clock.now()
    return { ...key, revocation: { at, by, reason, text }, replacedBy: replacedBy ?? key.replacedBy, updatedAt: at }
  })
}
