import { EraseKeyBody, KeyParams } from '../shared/contracts/keys.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { invalidRequest } from '../shared/http/read-request.ts'
import { currentKeyView, keyLogFields } from '../shared/http/views/keys.ts'
import { eraseKey } from '../shared/operations/keys/erase-key.ts'

/** `POST /auth/keys/{token_id}/erase`: takes what tells of a person out of a revoked key and its uses, for good. Idempotent. */
export const keysErase = endpoint({
  name: 'keys-erase',
  method: 'POST',
  route: 'auth/keys/{token_id:minlength(20)}/erase',
  access: 'keys:erase',
  params: KeyParams,
  body: EraseKeyBody,
  idempotent: true,
  async handle({ params, body, caller, services }) {
    if (body.confirm !== params.token_id) {
      throw invalidRequest([{ pointer: '#/confirm', detail: 'must be the token_id of the path' }])
    }
    const key = await eraseKey(services, caller.scope, params.token_id)
    return { body: await currentKeyView(services, key), logFields: keyLogFields(key) }
  },
})
