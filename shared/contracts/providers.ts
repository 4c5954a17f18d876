import * as z from 'zod'
import { line, ProviderId, RateLimits } from './fields.ts'

const Count = z.int('must be a whole number').min(1).max(1_000_000_000_000).nullable().default(null)

const Quotas = z.strictObject({
  requests_per_day: Count,
  requests_per_month: Count,
  max_keys: Count,
  keys_per_hour: Count,
})

export const ProviderParams = z.object({ provider_id: ProviderId })

/** `PUT /auth/providers/{provider_id}`: the whole provider; an absent field takes its default. */
export const PutProviderBody = z.strictObject({
  name: line(128).nullable().default(null),
  status: z.enum(['active', 'disabled']).default('active'),
  fail_mode: z.enum(['open', 'closed']).default('open'),
  rate_limits: RateLimits.default([]),
  quotas: Quotas.prefault({}),
})
export type PutProviderBody = z.output<typeof PutProviderBody>

export const ProviderView = z.strictObject({
  provider_id: ProviderId,
  name: z.string().nullable(),
  status: z.enum(['active', 'disabled']),
  fail_mode: z.enum(['open', 'closed']),
  rate_limits: RateLimits,
  quotas: Quotas,
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  updated_by: z.string(),
})
export type ProviderView = z.output<typeof ProviderView>
