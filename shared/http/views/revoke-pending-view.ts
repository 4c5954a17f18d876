import type { OwnRevokePendingView, RevokePendingView } from '../../contracts/keys.ts'
import type { Key, Revocation } from '../../domain/keys/key.ts'

/** A key whose revocation waits for the store. */
export type PendingKey = Key & { readonly revocation: Revocation }

export function toRevokePendingView(key: PendingKey): RevokePendingView {
  const { providerId, revocation, replacedBy } = key
  return {
    ...toOwnRevokePendingView(key),
    provider_id: providerId,
    revoked_by: revocation.by,
    replaced_by: replacedBy,
  }
}

/** What its holder may see of it. */
export function toOwnRevokePendingView({ keyId, revocation }: PendingKey): OwnRevokePendingView {
  return {
    key_id: keyId,
    status: 'pending',
    revoked_at: revocation.at.toISOString(),
    revoked_reason: revocation.reason,
    revoked_text: revocation.text,
  }
}
