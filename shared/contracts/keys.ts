import * as z from 'zod'
import type { KeyStatus } from '../domain/keys/key.ts'
import {
  EnvironmentName,
  Instant,
  KeyId,
  line,
  Metadata,
  managementScopes,
  ProviderId,
  QuotaShape,
  RateLimits,
  revocationReasons,
  Scope,
  Scopes,
} from './fields.ts'
import { listOf, oneOf, queryNumber, shortText, wholeNumber } from './wording.ts'

const IpRestrictions = listOf(shortText(64), 'addresses or blocks', 100)
const OwnerId = line(255)
/** `*`: of keys over all providers. */
const AnyProviderId = z.union([z.literal('*'), ProviderId], 'must be a provider id, or `*` for all')

const policyFields = {
  name: line(128),
  description: line(1024).nullable().default(null),
  owner_id: OwnerId.nullable().default(null),
  scopes: Scopes.default([]),
  not_before: Instant.nullable().default(null),
  expires_at: Instant.nullable().default(null),
  expires_in_days: wholeNumber(1, 3650).optional(),
}

const ApiKeyBody = z.strictObject({
  kind: z.literal('api').default('api'),
  provider_id: ProviderId.optional(),
  environment: EnvironmentName,
  ...policyFields,
  ip_restrictions: IpRestrictions.default([]),
  rate_limits: RateLimits.default([]),
  quota: QuotaShape.nullable().default(null),
  metadata: Metadata.nullable().default(null),
})

// No rate limits: those of the management API apply to a management key.
const ManagementKeyBody = z.strictObject({
  kind: z.literal('management'),
  provider_id: AnyProviderId.optional(),
  ...policyFields,
  scopes: listOf(oneOf(managementScopes), 'scopes', 50, 1),
  ip_restrictions: IpRestrictions.default([]),
  metadata: Metadata.nullable().default(null),
})

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `POST /auth/keys/generate`. */
export const GenerateKeyBody = z
  .preprocess(
    (body) => (isObject(body) && !('kind' in body) ? { ...body, kind: 'api' } : body),
    z.discriminatedUnion('kind', [ApiKeyBody, ManagementKeyBody], {
      error: ({ code }) => (code === 'invalid_union' ? 'must be `api` or `management`' : undefined),
    }),
  )
  .refine(({ expires_at, expires_in_days }) => expires_at === null || expires_in_days === undefined, {
    path: ['expires_in_days'],
    error: 'must not be given beside expires_at',
  })
export type GenerateKeyBody = z.output<typeof GenerateKeyBody>

/** `PATCH /auth/keys/{token_id}`: an absent field stays; `null` clears. */
export const PatchKeyBody = z
  .strictObject({
    name: line(128),
    description: line(1024).nullable(),
    owner_id: OwnerId.nullable(),
    scopes: Scopes.nullable(),
    ip_restrictions: IpRestrictions.nullable(),
    expires_at: Instant.nullable(),
    enabled: z.boolean(),
    rate_limits: RateLimits.nullable(),
    quota: QuotaShape.nullable(),
    metadata: Metadata.nullable(),
  })
  .partial()
  .refine((body) => Object.keys(body).length > 0, 'must change at least one field')
export type PatchKeyBody = z.output<typeof PatchKeyBody>

/** `POST /auth/keys/me/revoke`. */
export const RevokeOwnKeyBody = z.strictObject({
  reason: oneOf(revocationReasons).default('unspecified'),
  text: line(255).nullable().default(null),
})

/** `POST /auth/keys/{token_id}/revoke`. */
export const RevokeKeyBody = RevokeOwnKeyBody.extend({
  replaced_by: KeyId.nullable().default(null),
  /** Also revokes what the key made, transitively. */
  cascade: z.boolean().default(false),
  /** `next_cursor` of the call before. */
  cascade_cursor: shortText(2048).optional(),
}).refine(({ cascade, cascade_cursor }) => cascade || cascade_cursor === undefined, {
  path: ['cascade_cursor'],
  error: 'must not be given without cascade',
})

/** `POST /auth/keys/{token_id}/erase`. */
export const EraseKeyBody = z.strictObject({
  /** Repeats the id in the path: what is erased cannot be brought back. */
  confirm: KeyId,
})

/** `POST /auth/keys/{token_id}/rotate`. */
export const RotateKeyBody = z.strictObject({
  grace_period_seconds: wholeNumber(0, 30 * 86_400),
  expires_at: Instant.nullable().optional(),
})

const keyStatuses = [
  'active',
  'disabled',
  'not_yet_valid',
  'expired',
  'revoked',
  'in_grace',
] as const satisfies readonly KeyStatus[]

/** `GET /auth/keys`. */
export const ListKeysQuery = z.strictObject({
  provider_id: AnyProviderId.optional(),
  environment: EnvironmentName.optional(),
  status: oneOf(keyStatuses).optional(),
  owner_id: OwnerId.optional(),
  created_by: line(255).optional(),
  scope: Scope.optional(),
  name: line(128).optional(),
  limit: queryNumber(1, 100).default(50),
  cursor: shortText(2048).optional(),
})
export type ListKeysQuery = z.output<typeof ListKeysQuery>

/** The path parameter of every route about one key. */
export const KeyParams = z.object({ token_id: KeyId })

const instant = z.iso.datetime()

/** A key as the API shows it: no digest, no pepper version, never the secret. */
export const KeyView = z.strictObject({
  key_id: z.string(),
  provider_id: z.string(),
  owner_id: z.string().nullable(),
  name: z.string(),
  description: z.string().nullable(),
  environment: EnvironmentName.nullable(),
  kind: z.enum(['api', 'management']),
  scopes: z.array(z.string()),
  ip_restrictions: z.array(z.string()),
  not_before: instant.nullable(),
  expires_at: instant.nullable(),
  enabled: z.boolean(),
  status: z.enum(keyStatuses),
  rate_limits: RateLimits,
  quota: QuotaShape.nullable(),
  metadata: z.record(z.string(), z.json()).nullable(),
  hint: z.string(),
  created_at: instant,
  created_by: z.string(),
  updated_at: instant,
  last_used_at: instant.nullable(),
  revoked_at: instant.nullable(),
  revoked_reason: z.string().nullable(),
  revoked_text: z.string().nullable(),
  revoked_by: z.string().nullable(),
  rotated_from: z.string().nullable(),
  replaced_by: z.string().nullable(),
  grace_until: instant.nullable(),
  erased_at: instant.nullable(),
})
export type KeyView = z.output<typeof KeyView>

/** What a call did of a cascade. `next_cursor` null: nothing is left. Else repeat the call with it. */
const CascadeView = z.strictObject({ revoked: z.int(), examined: z.int(), next_cursor: z.string().nullable() })
export type CascadeView = z.output<typeof CascadeView>

export const RevokedKeyView = KeyView.extend({ cascade: CascadeView.optional() })

/** The answer of a revocation while the store is down: in the queue, and in force everywhere once the store is back. */
export const RevokePendingView = z.strictObject({
  key_id: z.string(),
  /** null when an operator revokes a key that is not cached on the instance. */
  provider_id: z.string().nullable(),
  status: z.literal('pending'),
  revoked_at: instant,
  revoked_reason: z.string(),
  revoked_text: z.string().nullable(),
  revoked_by: z.string(),
  replaced_by: z.string().nullable(),
  cascade: CascadeView.optional(),
})
export type RevokePendingView = z.output<typeof RevokePendingView>

/** The same for the holder of the key. */
export const OwnRevokePendingView = RevokePendingView.omit({
  provider_id: true,
  revoked_by: true,
  replaced_by: true,
  cascade: true,
})
export type OwnRevokePendingView = z.output<typeof OwnRevokePendingView>

/** The answer of generate and rotate. `key` is the secret, this once; null when the answer is a replay. */
export const NewKeyView = z.strictObject({ key: z.string().nullable(), ...KeyView.shape })

export const KeyPage = z.strictObject({ items: z.array(KeyView), next_cursor: z.string().nullable() })

/** What a holder may read of its own key. */
export const OwnKeyView = KeyView.pick({
  key_id: true,
  name: true,
  environment: true,
  status: true,
  scopes: true,
  ip_restrictions: true,
  not_before: true,
  expires_at: true,
  rate_limits: true,
  quota: true,
  hint: true,
  grace_until: true,
})
export type OwnKeyView = z.output<typeof OwnKeyView>
