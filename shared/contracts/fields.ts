import * as z from 'zod'
import type { ManagementScope } from '../domain/access/scope.ts'
import type { RevocationReason } from '../domain/keys/key.ts'
import type { UsageOutcome } from '../domain/keys/verdict.ts'
import { listOf, matching, oneOf, rangeText, wholeNumber } from './wording.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: the point is to refuse them.
const controlCharacters = /[\u0000-\u001f\u007f]/

/** The beginning of one of our keys, anywhere in a text. A text that matches is never stored, shown or logged. */
export const keyInText = /permas_[a-z]{2,12}_[0-9A-Za-z]{8}/

export const holdsNoKey = (text: string) => !keyInText.test(text)
export const NO_KEY = 'must not contain a key'

/** Blanks, and what a screen shows as nothing: zero-width characters, marks of direction, variation selectors, fillers. */
const onlyInvisible = /^[\p{White_Space}\p{Default_Ignorable_Code_Point}\p{C}\u2800]*$/u

/** Text for people: trimmed, without control characters, without a key, with at least one visible character. */
export function line(maximum: number) {
  const error = `must be text of ${rangeText(1, maximum)} characters`
  return z
    .string(error)
    .trim()
    .min(1, { error, abort: true })
    .max(maximum, { error, abort: true })
    .refine((text) => !controlCharacters.test(text), 'must not contain control characters')
    .refine((text) => text.isWellFormed(), 'must not contain half of a surrogate pair')
    .refine((text) => !onlyInvisible.test(text), 'must have at least one visible character')
    .refine(holdsNoKey, NO_KEY)
}

export const ProviderId = matching(
  /^[a-z0-9][a-z0-9_-]{0,62}$/,
  '1 to 63 of a-z, 0-9, _ and -, and begin with a letter or digit',
)

export const isProviderId = (text: string): boolean => ProviderId.safeParse(text).success

/** Time-ordered id of a key: a ULID. */
export const KeyId = matching(/^[0-9A-HJKMNP-TV-Z]{26}$/, 'a key id, 26 characters')

export const EnvironmentName = oneOf(['test', 'live'])

export const Scope = matching(/^[A-Za-z0-9_.:*-]{1,128}$/, '1 to 128 of A-Z, a-z, 0-9, _ . : * and -').refine(
  holdsNoKey,
  NO_KEY,
)

export const Scopes = listOf(Scope, 'scopes', 50)

/** An instant, in any offset; stored as UTC. */
export const Instant = z.iso
  .datetime({ offset: true, error: 'must be an ISO 8601 instant such as 2027-01-31T00:00:00Z' })
  .transform((text) => new Date(text))

const LimitName = matching(/^[a-z0-9][a-z0-9_-]{0,62}$/, '1 to 63 of a-z, 0-9, _ and -')

export const RateLimitShape = z.strictObject({
  name: LimitName,
  limit: wholeNumber(1, 1_000_000_000),
  window_seconds: wholeNumber(1, 86_400),
  strategy: oneOf(['sliding_window', 'fixed_window']).default('sliding_window'),
})

export const RateLimits = listOf(RateLimitShape, 'limits', 10).refine(
  (limits) => new Set(limits.map(({ name }) => name)).size === limits.length,
  'must not name one limit twice',
)

export const QuotaShape = z.strictObject({
  limit: wholeNumber(1, 1_000_000_000_000),
  period: oneOf(['day', 'month']),
})

export const managementScopes = [
  'keys:read',
  'keys:write',
  'keys:revoke',
  'keys:erase',
  'keys:validate',
  'metrics:read',
  'usage:read',
  'usage:write',
  'providers:read',
  'providers:write',
  'providers:admin',
] as const satisfies readonly ManagementScope[]

/** The verdicts on a known key, under which its uses are counted. */
export const usageOutcomes = [
  'VALID',
  'REVOKED',
  'EXPIRED',
  'NOT_YET_VALID',
  'DISABLED',
  'PROVIDER_DISABLED',
  'ENVIRONMENT_MISMATCH',
  'IP_NOT_ALLOWED',
  'INSUFFICIENT_SCOPE',
  'COST_EXCEEDS_LIMIT',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
] as const satisfies readonly UsageOutcome[]

export const revocationReasons = [
  'unspecified',
  'compromised',
  'superseded',
  'owner_request',
  'policy',
  'rotated',
] as const satisfies readonly RevocationReason[]

const METADATA_BYTES = 4096
const METADATA_DEPTH = 8

/** Any JSON object of the caller. */
export const Metadata = z
  .record(z.string(), z.json())
  .refine((value) => new TextEncoder().encode(JSON.stringify(value)).length <= METADATA_BYTES, 'must be 4 KiB at most')
  .refine((value) => depthOf(value) <= METADATA_DEPTH, 'must be nested 8 levels deep at most')
  .refine((value) => holdsNoKey(JSON.stringify(value)), NO_KEY)

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}
