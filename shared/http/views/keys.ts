import type * as z from 'zod'
import type { Services } from '../../app/services.ts'
import type { RateLimits } from '../../contracts/fields.ts'
import type { KeyView, OwnKeyView, OwnRevokePendingView, RevokePendingView } from '../../contracts/keys.ts'
import { oneProvider } from '../../domain/access/provider-scope.ts'
import { type Key, keyStatus, type RateLimit } from '../../domain/keys/key.ts'
import { notAfter } from '../../domain/usage/report.ts'
import type { NewKey } from '../../operations/keys/generate-key.ts'
import type { PendingKey } from '../../operations/keys/revoke-key.ts'
import type { Answer } from '../endpoint-spec.ts'

/** The view of a stored key, with its last use as of the last roll-up. */
export async function currentKeyView(services: Pick<Services, 'reports' | 'clock'>, key: Key): Promise<KeyView> {
  const lastUsed = await services.reports.lastUsed(oneProvider(key.providerId), [key.keyId])
  return toKeyView(key, services.clock.now(), lastUsed.get(key.keyId))
}

/** The view of a key. `lastUsedAt` is ISO 8601, or undefined for a key that was never used. */
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
    last_used_at: lastUsedAt === undefined ? null : notAfter(lastUsedAt, now),
    revoked_at: revocation?.at.toISOString() ?? null,
    revoked_reason: revocation?.reason ?? null,
    revoked_text: revocation?.text ?? null,
    revoked_by: revocation?.by ?? null,
    rotated_from: key.rotatedFrom,
    replaced_by: key.replacedBy,
    erased_at: key.erasedAt?.toISOString() ?? null,
  }
}

/** The view of a key for its holder. */
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

/** The only answer that carries the secret; a replay has null in its place. */
export function toNewKeyAnswer({ key, secret }: NewKey, now: Date): Answer {
  const view = toKeyView(key, now, undefined)
  return {
    status: 201,
    headers: { location: `/auth/keys/${key.keyId}` },
    body: { key: secret, ...view },
    replayBody: { key: null, ...view },
    logFields: keyLogFields(key),
  }
}

export function toRevokePendingView(key: PendingKey): RevokePendingView {
  const { providerId, revocation, replacedBy } = key
  return {
    ...toOwnRevokePendingView(key),
    provider_id: providerId,
    revoked_by: revocation.by,
    replaced_by: replacedBy,
  }
}

/** The same for the key's holder. */
export function toOwnRevokePendingView({ keyId, revocation }: PendingKey): OwnRevokePendingView {
  return {
    key_id: keyId,
    status: 'pending',
    revoked_at: revocation.at.toISOString(),
    revoked_reason: revocation.reason,
    revoked_text: revocation.text,
  }
}

/** Log fields of a call that created, changed or revoked a key. */
export function keyLogFields({ keyId, providerId, rotatedFrom }: Pick<Key, 'keyId' | 'providerId' | 'rotatedFrom'>) {
  return { keyId, providerId, ...(rotatedFrom !== null && { rotatedFrom }) }
}

type WireRateLimits = z.output<typeof RateLimits>

export function toRateLimits(limits: WireRateLimits): RateLimit[] {
  return limits.map(({ window_seconds: windowSeconds, ...rest }) => ({ ...rest, windowSeconds }))
}

export function fromRateLimits(limits: readonly RateLimit[]): WireRateLimits {
  return limits.map(({ windowSeconds, ...rest }) => ({ ...rest, window_seconds: windowSeconds }))
}
