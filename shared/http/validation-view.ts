import type { ValidationView } from '../contracts/validate.ts'
import type { Key } from '../domain/key.ts'
import type { Validation } from '../operations/validate-key.ts'

/** The answer of validate. Limits show no remainder until something holds them. */
export function toValidationView(validation: Validation, requestId: string): ValidationView {
  if (!('verdict' in validation)) return { ...unknownKey, code: validation.code, request_id: requestId }
  const { key, verdict, cacheAgeMs, degraded } = validation
  return {
    valid: verdict.code === 'VALID',
    code: verdict.code,
    key_id: key.keyId,
    provider_id: key.providerId,
    owner_id: key.ownerId,
    name: key.name,
    environment: key.environment,
    scopes: [...key.scopes],
    metadata: key.metadata as ValidationView['metadata'],
    expires_at: (key.graceUntil ?? key.expiresAt)?.toISOString() ?? null,
    rate_limits: key.rateLimits.map(({ name, limit }) => ({ name, limit, remaining: null, reset_at: null })),
    quota: key.quota === null ? null : { limit: key.quota.limit, remaining: null, resets_at: null },
    ...(verdict.code === 'INSUFFICIENT_SCOPE' && { missing_scopes: [...verdict.missingScopes] }),
    ...(verdict.code === 'REVOKED' && revocationFields(key)),
    warnings: [...verdict.warnings],
    checks: [...verdict.checks],
    degraded,
    cache_age_ms: Math.round(cacheAgeMs),
    request_id: requestId,
  }
}

function revocationFields({ revocation, replacedBy }: Key) {
  return { revoked_reason: revocation?.reason ?? 'unspecified', replaced_by: replacedBy }
}

const unknownKey: Omit<ValidationView, 'code' | 'request_id'> = {
  valid: false,
  key_id: null,
  provider_id: null,
  owner_id: null,
  name: null,
  environment: null,
  scopes: [],
  metadata: null,
  expires_at: null,
  rate_limits: [],
  quota: null,
  warnings: [],
  checks: [],
  degraded: false,
  cache_age_ms: 0,
}
