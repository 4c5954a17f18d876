import * as z from 'zod'
import { EnvironmentName, line, QuotaShape, RateLimitShape, Scopes, usageOutcomes } from './fields.ts'
import { listOf, matching, shortText, wholeNumber } from './wording.ts'

/** The body of `POST /auth/keys/validate`. */
const ValidateFields = {
  key: shortText(1024),
  environment: EnvironmentName.nullable().default(null),
  scopes: Scopes.default([]),
  any_scopes: Scopes.default([]),
  client_ip: shortText(64).nullable().default(null),
  endpoint: line(128).nullable().default(null),
  method: matching(/^[A-Z]{1,16}$/, 'an HTTP method in capitals')
    .nullable()
    .default(null),
  cost: wholeNumber(0, 1_000_000).default(1),
  dry_run: z.boolean().default(false),
  tags: listOf(line(64), 'tags', 10).default([]),
}

export const ValidateBody = z.strictObject(ValidateFields)
export type ValidateBody = z.output<typeof ValidateBody>

/** `POST /auth/keys/batch/validate`. */
export const BatchValidateBody = z.strictObject({
  requests: listOf(ValidateBody, 'requests', 100, 1),
})

const instant = z.iso.datetime()
const limitLevel = z.enum(['key', 'provider'])

/** The answer of validate, HTTP 200 whatever the verdict. What is unknown of a key is null. */
export const ValidationView = z.strictObject({
  valid: z.boolean(),
  code: z.enum(['MALFORMED', 'NOT_FOUND', ...usageOutcomes]),
  key_id: z.string().nullable(),
  provider_id: z.string().nullable(),
  owner_id: z.string().nullable(),
  name: z.string().nullable(),
  environment: EnvironmentName.nullable(),
  scopes: z.array(z.string()),
  metadata: z.record(z.string(), z.json()).nullable(),
  expires_at: instant.nullable(),
  /** The key's own limits. `remaining` and `reset_at` are null where an earlier check failed: no limit was looked up. */
  rate_limits: z.array(
    z.strictObject({
      name: z.string(),
      limit: RateLimitShape.shape.limit,
      remaining: z.number().nullable(),
      reset_at: instant.nullable(),
    }),
  ),
  quota: z
    .strictObject({ limit: QuotaShape.shape.limit, remaining: z.number().nullable(), resets_at: instant.nullable() })
    .nullable(),
  missing_scopes: z.array(z.string()).optional(),
  /** Of RATE_LIMITED and COST_EXCEEDS_LIMIT: the limit that refused. Of RATE_LIMITED: when a retry may succeed. */
  limited_by: z.strictObject({ level: limitLevel, name: z.string() }).optional(),
  retry_after_ms: z.int().min(1).optional(),
  /** Of QUOTA_EXCEEDED: whose quota is exhausted, and when it resets. */
  quota_level: limitLevel.optional(),
  resets_at: instant.optional(),
  revoked_reason: z.string().optional(),
  replaced_by: z.string().nullable().optional(),
  warnings: z.array(z.string()),
  checks: z.array(
    z.strictObject({
      check: z.string(),
      result: z.enum(['passed', 'failed', 'skipped']),
      detail: z.string().nullable(),
    }),
  ),
  degraded: z.boolean(),
  cache_age_ms: z.number(),
  request_id: z.string(),
})
export type ValidationView = z.output<typeof ValidationView>

/** One answer per request, in the same order. */
export const BatchValidationView = z.strictObject({ results: z.array(ValidationView), request_id: z.string() })
