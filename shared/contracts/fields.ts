import * as z from 'zod'
import type { ManagementScope } from '../domain/access/scope.ts'
import type { RevocationReason } from '../domain/keys/key.ts'
import type { UsageOutcome } from '../domain/keys/verdict.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: the point is to refuse them.
const controlCharacters = /[\u0000-\u001f\u007f]/

/** The beginning of one of our keys, anywhere in a text. A text that matches is never stored, shown or logged. */
export const keyInText = /permas_[a-z]{2,12}_[0-9A-Za-z]{8}/

export const holdsNoKey = (text: string) => !keyInText.test(text)
export const NO_KEY = 'must not contain a key'

/** Text for people: trimmed, without control characters, without a key. */
export function line(maximum: number) {
  return z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(maximum, `must have ${maximum} characters at most`)
    .refine((text) => !controlCharacters.test(text), 'must not contain control characters')
    .refine((text) => text.isWellFormed(), 'must not contain half of a surrogate pair')
    .refine(holdsNoKey, NO_KEY)
}

export const ProviderId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9, _ and -, and begin with a letter or digit')

export const isProviderId = (text: string): boolean => ProviderId.safeParse(text).success

/** Time-ordered id of a key: a ULID. */
export const KeyId = z.string().regex(/^[0-9A-HJKMNP-TV-Z]{26}$/, 'must be a key id, 26 characters')

export const EnvironmentName = z.enum(['test', 'live'], 'must be `test` or `live`')

export const Scope = z
  .string()
  .regex(/^[A-Za-z0-9_.:*-]{1,128}$/, 'must be 1 to 128 of A-Z, a-z, 0-9, _ . : * and -')
  .refine(holdsNoKey, NO_KEY)

export const Scopes = z.array(Scope).max(50, 'must name 50 scopes at most')

/** An instant, in any offset; stored as UTC. */
export const Instant = z.iso
  .datetime({ offset: true, error: 'must be an ISO 8601 instant such as 2027-01-31T00:00:00Z' })
  .transform((text) => new Date(text))

const LimitName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9, _ and -')

export const RateLimitShape = z.strictObject({
  name: LimitName,
  limit: z.int('must be a whole number').min(1).max(1_000_000_000),
  window_seconds: z.int('must be a whole number').min(1).max(86_400),
  strategy: z.enum(['sliding_window', 'fixed_window']).default('sliding_window'),
})

export const RateLimits = z
  .array(RateLimitShape)
  .max(10, 'must name 10 limits at most')
  .refine((limits) => new Set(limits.map(({ name }) => name)).size === limits.length, 'must not name one limit twice')

export const QuotaShape = z.strictObject({
  limit: z.int('must be a whole number').min(1).max(1_000_000_000_000),
  period: z.enum(['day', 'month']),
})

export const managementScopes = [
  'keys:read',
  'keys:write',
  'keys:revoke',
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
