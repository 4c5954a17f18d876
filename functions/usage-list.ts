import { ProviderUsageQuery } from '../shared/contracts/usage.ts'
import { resolveProvider } from '../shared/http/authorize.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toProviderUsageView, toRangeRequest } from '../shared/http/views/usage.ts'
import { readProviderUsage } from '../shared/operations/usage/read-provider-usage.ts'

/** `GET /auth/usage`: a provider's uses as of the last roll-up, grouped by `group_by` where given. */
export const usageList = endpoint({
  name: 'usage-list',
  method: 'GET',
  route: 'auth/usage',
  access: 'usage:read',
  query: ProviderUsageQuery,
  async handle({ query, caller, services }) {
    const scope = resolveProvider(caller, query.provider_id, '/provider_id')
    const usage = await readProviderUsage(services, scope, query.group_by ?? null, toRangeRequest(query))
    return { body: toProviderUsageView(usage) }
  },
})
