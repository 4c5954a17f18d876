import type { ValidationView } from '../../contracts/validate.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { LimitStanding } from '../../domain/keys/key-limits.ts'
import type { Verdict } from '../../domain/keys/verdict.ts'
import type { Validation } from '../../operations/keys/validate-key.ts'

/** The answer of validate. Limits show no remainder where an earlier check failed, since nobody asked then. */
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
    ...limitFields(key, verdict.limits),
    ...(verdict.code === 'INSUFFICIENT_SCOPE' && { missing_scopes: [...verdict.missingScopes] }),
    ...(verdict.code === 'REVOKED' && revocationFields(key)),
    ...(verdict.exceeded !== null && exceededFields(verdict.exceeded)),
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

/** The key's own limits: those of its provider are the provider's business, and in the headers. */
function limitFields(key: Key, standings: readonly LimitStanding[]) {
  const own = standings.filter(({ limit }) => limit.level === 'key')
  const rateOf = (name: string) => own.find(({ limit }) => limit.check === 'rate_limits' && limit.name === name)
  const quota = own.find(({ limit }) => limit.check === 'quota')
  return {
    rate_limits: key.rateLimits.map(({ name, limit }) => {
      const standing = rateOf(name)
      return { name, limit, remaining: standing?.remaining ?? null, reset_at: resetOf(standing) }
    }),
    quota: key.quota && {
      limit: key.quota.limit,
      remaining: quota?.remaining ?? null,
      resets_at: resetOf(quota),
    },
  }
}

function resetOf(standing: LimitStanding | undefined): string | null {
  return standing === undefined ? null : new Date(standing.resetAtMs).toISOString()
}

function exceededFields({ limit, resetAtMs, retryAfterMs }: NonNullable<Verdict['exceeded']>) {
  if (limit.check === 'quota') return { quota_level: limit.level, resets_at: new Date(resetAtMs).toISOString() }
  return {
    limited_by: { level: limit.level, name: limit.name },
    retry_after_ms: Math.max(1, Math.ceil(retryAfterMs)),
  }
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
