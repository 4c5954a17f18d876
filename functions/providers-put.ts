import { ProviderParams, PutProviderBody } from '../shared/contracts/providers.ts'
import { resolveProvider } from '../shared/http/authorize.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toProviderSettings, toProviderView } from '../shared/http/views/providers.ts'
import { putProvider } from '../shared/operations/keys/put-provider.ts'

/** `PUT /auth/providers/{provider_id}`: creates a provider (201) or replaces all its settings (200). */
export const providersPut = endpoint({
  name: 'providers-put',
  method: 'PUT',
  route: 'auth/providers/{provider_id}',
  access: 'providers:write',
  params: ProviderParams,
  body: PutProviderBody,
  idempotent: true,
  async handle({ params, body, caller, services }) {
    const scope = resolveProvider(caller, params.provider_id, '/provider_id')
    const { provider, created } = await putProvider(services, scope, toProviderSettings(body), caller.id)
    return { status: created ? 201 : 200, body: toProviderView(provider) }
  },
})
