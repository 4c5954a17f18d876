import type { HttpRequest } from '@azure/functions'
import type { Services } from '../../app/services.ts'
import type { ValidateBody, ValidationView } from '../../contracts/validate.ts'
import { canonicalAddress } from '../../domain/access/ip-address.ts'
import type { Key } from '../../domain/keys/key.ts'
import { type LimitStanding, policyName } from '../../domain/keys/key-limits.ts'
import type { Verdict } from '../../domain/keys/verdict.ts'
import type { ValidateKeyInput, Validation } from '../../operations/keys/validate-key.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Answer } from '../endpoint-spec.ts'
import { rateLimitHeaders, retryAfterSeconds } from '../rate-limit-headers.ts'

/** The input of validate. `Cache-Control: no-cache` bypasses the cache. */
export function toValidateInput(body: ValidateBody, request: HttpRequest, callerId: string): ValidateKeyInput {
  return {
    callerId,
    secret: body.key,
    requirements: {
      environment: body.environment,
      scopes: body.scopes,
      anyScopes: body.any_scopes,
      clientIp: body.client_ip === null ? null : canonicalAddress(body.client_ip),
      dryRun: body.dry_run,
    },
    endpoint: [body.method, body.endpoint].filter((part) => part !== null).join(' '),
    cost: body.cost,
    bypassCache: /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(request.headers.get('cache-control') ?? ''),
  }
}

/** The answer of validate. A gateway may pass on its headers: the limits of the key and of its provider. */
export function toValidationAnswer(
  validation: Validation,
  requestId: string,
  { clock, random }: Pick<Services, 'clock' | 'random'>,
): Answer {
  const body = toValidationView(validation, requestId)
  if (!('verdict' in validation) || validation.verdict.limits.length === 0) return { body }
  const { code, limits, exceeded } = validation.verdict
  const now = clock.now()
  const headers = rateLimitHeaders(
    limits.map((state) => ({ policy: policyName(state.limit), state })),
    now,
  )
  const retryAfterMs = code === 'RATE_LIMITED' ? exceeded?.retryAfterMs : undefined
  if (exceeded === null || retryAfterMs === undefined) return { headers, body }
  const retryAfter = String(retryAfterSeconds({ ...exceeded, retryAfterMs }, now, random))
  return { headers: { ...headers, 'retry-after': retryAfter }, body }
}

/** The body of validate. Limits have no remainder where an earlier check failed: they were not checked. */
export function toValidationView(validation: Validation, requestId: string): ValidationView {
  if (!('verdict' in validation)) {
    const checks = 'hasWhitespace' in validation && validation.hasWhitespace ? [whitespaceCheck] : []
    return { ...unknownKey, code: validation.code, checks, request_id: requestId }
  }
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

/** The key's own limits; its provider's limits are in the headers only. */
function limitFields(key: Key, states: readonly LimitStanding[]) {
  const own = states.filter(({ limit }) => limit.level === 'key')
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
  const level = { level: limit.level, name: limit.name }
  if (retryAfterMs === undefined) return { limited_by: level }
  if (limit.check === 'quota') return { quota_level: limit.level, resets_at: new Date(resetAtMs).toISOString() }
  return {
    limited_by: level,
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

const whitespaceCheck = {
  check: 'format',
  result: 'failed',
  detail: 'The key has whitespace in it, such as a line break at its end: send the key alone.',
} as const

type Counts = Pick<Meter, 'count'>
type LogFields = NonNullable<Answer['logFields']>

/** Counts the verdict in the metrics and returns its log fields. */
export function observeValidation(meter: Counts, validation: Validation): LogFields {
  countVerdict(meter, validation)
  if (!('verdict' in validation)) return { verdict: validation.code }
  const { code, key, source, cacheAgeMs, degraded } = validation
  const { keyId, providerId } = key
  return { verdict: code, keyId, providerId, source, cacheAgeMs: Math.round(cacheAgeMs), degraded }
}

/** The same for a batch; the log fields have the number of each verdict. */
export function observeValidations(meter: Counts, validations: readonly Validation[]): LogFields {
  const counts = new Map<string, number>()
  for (const validation of validations) {
    countVerdict(meter, validation)
    counts.set(validation.code, (counts.get(validation.code) ?? 0) + 1)
  }
  return {
    validations: validations.length,
    verdicts: [...counts].map(([code, count]) => `${code}=${count}`).join(' '),
    degraded: validations.some(isDegraded),
  }
}

function countVerdict(meter: Counts, validation: Validation): void {
  meter.count('auth_api_verdicts_total', { code: validation.code, degraded: String(isDegraded(validation)) })
}

function isDegraded(validation: Validation): boolean {
  return 'degraded' in validation && validation.degraded
}
