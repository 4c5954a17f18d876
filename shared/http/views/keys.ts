import type { KeyView, OwnKeyView } from '../../contracts/keys.ts'
import { type Key, keyStatus } from '../../domain/keys/key.ts'
import { fromRateLimits } from './rate-limits.ts'

/** A key as the API shows it. `lastUsedAt` is ISO 8601, undefined for a key that nothing has used yet. */
export function toKeyView(key: Key, now: Date, lastUsedAt: string | undefined): KeyView {
  const { revocation } = key
  return {
    ...toPolicyView(key, now),
    provider_id: key.providerId,
    owner_id: key.ownerId,
    description: key.description,
    kind: key.kind,
    enabled: key.enabled,
    metadata: key.metadata as KeyView['metadata'],
    created_at: key.createdAt.toISOString(),
    created_by: key.createdBy,
    updated_at: key.updatedAt.toISOString(),
    last_used_at: lastUsedAt ?? null,
    revoked_at: revocation?.at.toISOString() ?? null,
    revoked_reason: revocation?.reason ?? null,
    revoked_text: revocation?.text ?? null,
    revoked_by: revocation?.by ?? null,
    rotated_from: key.rotatedFrom,
    replaced_by: key.replacedBy,
  }
}

/** What a holder may see of its own key. */
export function toPolicyView(key: Key, now: Date): OwnKeyView {
  return {
    key_id: key.keyId,
    name: key.name,
    environment: key.environment,
    status: keyStatus(key, now),
    scopes: [...key.scopes],
    ip_restrictions: [...key.ipRestrictions],
    not_before: key.notBefore?.toISOString() ?? null,
    expires_at: key.expiresAt?.toISOString() ?? null,
    rate_limits: fromRateLimits(key.rateLimits),
    quota: key.quota,
    hint: key.hint,
    grace_until: key.graceUntil?.toISOString() ?? null,
  }
}
