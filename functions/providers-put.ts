import { ProviderParams, PutProviderBody } from '../shared/contracts/providers.ts'
import { refuseOwnedFields, resolveProvider } from '../shared/http/authorize.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toProviderChanges, toProviderView } from '../shared/http/views/providers.ts'
import { putProvider } from '../shared/operations/keys/put-provider.ts'

/** `PUT /auth/providers/{provider_id}`: creates a provider (201) or changes the settings that the body names (200). */
export const providersPut = endpoint({
  name: 'providers-put',
  method: 'PUT',
  route: 'auth/providers/{provider_id}',
  wrongMethods: 'elsewhere',
  access: 'providers:write',
  params: ProviderParams,
  body: PutProviderBody,
  idempotent: true,
  async handle({ params, body, caller, services }) {
    const scope = resolveProvider(caller, params.provider_id, '/provider_id')
    refuseOwnedFields(caller, body)
    const { provider, created } = await putProvider(services, scope, toProviderChanges(body), caller.id)
    return { status: created ? 201 : 200, body: toProviderView(provider) }
  },
})
