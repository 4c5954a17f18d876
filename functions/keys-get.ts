import { KeyParams } from '../shared/contracts/keys.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { currentKeyView } from '../shared/http/views/keys.ts'
import { getKey } from '../shared/operations/keys/get-key.ts'

/** `GET /auth/keys/{token_id}`. `last_used_at` lags by at most a minute. */
export const keysGet = endpoint({
  name: 'keys-get',
  method: 'GET',
  route: 'auth/keys/{token_id:minlength(20)}',
  wrongMethods: { besides: ['PATCH'] },
  access: 'keys:read',
  params: KeyParams,
  async handle({ params, caller, services }) {
    return { body: await currentKeyView(services, await getKey(services, caller.scope, params.token_id)) }
  },
})
