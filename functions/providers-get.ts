import { ProviderParams } from '../shared/contracts/providers.ts'
import { resolveProvider } from '../shared/http/authorize.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toProviderView } from '../shared/http/views/providers.ts'
import { getProvider } from '../shared/operations/keys/get-provider.ts'

/** `GET /auth/providers/{provider_id}`. */
export const providersGet = endpoint({
  name: 'providers-get',
  method: 'GET',
  route: 'auth/providers/{provider_id}',
  wrongMethods: { besides: ['PUT'] },
  access: 'providers:read',
  params: ProviderParams,
  async handle({ params, caller, services }) {
    const scope = resolveProvider(caller, params.provider_id, '/provider_id')
    return { body: toProviderView(await getProvider(services, scope)) }
  },
})
