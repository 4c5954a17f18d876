import { KeyParams } from '../shared/contracts/keys.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toKeyView } from '../shared/http/key-view.ts'
import { getKey } from '../shared/operations/get-key.ts'

/** `GET /auth/keys/{token_id}`. `last_used_at` is at most a minute behind. */
export const keysGet = endpoint({
  name: 'keys-get',
  method: 'GET',
  route: 'auth/keys/{token_id:minlength(20)}',
  access: 'keys:read',
  params: KeyParams,
  async handle({ params, caller, services }) {
    const { key, lastUsedAt } = await getKey(services, caller.scope, params.token_id)
    return { body: toKeyView(key, services.clock.now(), lastUsedAt) }
  },
})
