import * as z from 'zod'
import { line, ProviderId, RateLimits } from './fields.ts'
import { oneOf, wholeNumber } from './wording.ts'

const Count = wholeNumber(1, 1_000_000_000_000).nullable()

const Quotas = z.strictObject({
  requests_per_day: Count,
  requests_per_month: Count,
  max_keys: Count,
  keys_per_hour: Count,
})

export const ProviderParams = z.object({ provider_id: ProviderId })

const isNotEmpty = (fields: object) => Object.keys(fields).length > 0
/** Silent beside another error: an unknown field alone is not also an empty object. */
const when = ({ issues }: { readonly issues: readonly unknown[] }) => issues.length === 0

/** `PUT /auth/providers/{provider_id}`: an absent field stays as it is, or takes its default in a new provider. */
export const PutProviderBody = z
  .strictObject({
    name: line(128).nullable(),
    status: oneOf(['active', 'disabled']),
    fail_mode: oneOf(['open', 'closed']),
    rate_limits: RateLimits,
    quotas: Quotas.partial().refine(isNotEmpty, { error: 'must set at least one quota', when }),
  })
  .partial()
  .refine(isNotEmpty, { error: 'must set at least one field', when })
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
