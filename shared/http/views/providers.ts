import type { ProviderView, PutProviderBody } from '../../contracts/providers.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { ProviderSettings } from '../../operations/keys/put-provider.ts'
import { fromRateLimits, toRateLimits } from './keys.ts'

export function toProviderSettings(body: PutProviderBody): ProviderSettings {
  return {
    name: body.name,
    status: body.status,
    failMode: body.fail_mode,
    rateLimits: toRateLimits(body.rate_limits),
    quotas: {
      requestsPerDay: body.quotas.requests_per_day,
      requestsPerMonth: body.quotas.requests_per_month,
      maxKeys: body.quotas.max_keys,
      keysPerHour: body.quotas.keys_per_hour,
    },
  }
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
