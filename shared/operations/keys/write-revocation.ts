import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import type { Key, RevocationReason } from '../../domain/keys/key.ts'
import type { Clock } from '../../ports/runtime.ts'
import { type ChangeKeyNeeds, changeKey } from './change-key.ts'

export interface RevokeKeyInput {
  readonly keyId: string
  readonly reason: RevocationReason
  readonly text: string | null
  readonly replacedBy: string | null
  readonly by: string
  /** When it was asked for; now where absent. */
  readonly at?: Date
}

export type RevokeKeyNeeds = ChangeKeyNeeds & { readonly clock: Clock }

/** Revokes a key for good. Revoking it again changes nothing: the first reason stands. Throws `key_not_found`. */
export async function revokeKey(
  needs: RevokeKeyNeeds,
  scope: ProviderScope,
  { keyId, reason, text, replacedBy, by, at = needs.clock.now() }: RevokeKeyInput,
): Promise<Key> {
  return changeKey(needs, scope, keyId, (key) => {
    if (key.revocation !== null) return key
    return { ...key, revocation: { at, by, reason, text }, replacedBy: replacedBy ?? key.replacedBy, updatedAt: at }
  })
}
