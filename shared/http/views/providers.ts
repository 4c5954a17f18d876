import type { ProviderView, PutProviderBody } from '../../contracts/providers.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { ProviderChanges } from '../../operations/keys/put-provider.ts'
import { fromRateLimits, toRateLimits } from './keys.ts'

/** The changes of a put; an absent field is left out. */
export function toProviderChanges({ quotas, rate_limits, ...body }: PutProviderBody): ProviderChanges {
  return withoutAbsent({
    name: body.name,
    status: body.status,
    failMode: body.fail_mode,
    rateLimits: rate_limits && toRateLimits(rate_limits),
    quotas:
      quotas &&
      withoutAbsent({
        requestsPerDay: quotas.requests_per_day,
        requestsPerMonth: quotas.requests_per_month,
        maxKeys: quotas.max_keys,
        keysPerHour: quotas.keys_per_hour,
      }),
  })
}

function withoutAbsent<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }
}

export function toProviderView(provider: Provider): ProviderView {
  return {
    provider_id: provider.providerId,
    name: provider.name,
    status: provider.status,
    fail_mode: provider.failMode,
    rate_limits: fromRateLimits(provider.rateLimits),
    quotas: {
      requests_per_day: provider.quotas.requestsPerDay,
      requests_per_month: provider.quotas.requestsPerMonth,
      max_keys: provider.quotas.maxKeys,
      keys_per_hour: provider.quotas.keysPerHour,
    },
    created_at: provider.createdAt.toISOString(),
    updated_at: provider.updatedAt.toISOString(),
    updated_by: provider.updatedBy,
  }
}
