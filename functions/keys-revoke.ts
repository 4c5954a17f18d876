import { KeyParams, RevokeKeyBody } from '../shared/contracts/keys.ts'
import { currentKeyView } from '../shared/http/current-key-view.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { revokeKey } from '../shared/operations/revoke-key.ts'

/** `POST /auth/keys/{token_id}/revoke`: for good. Revoking again changes nothing and answers the same. */
export const keysRevoke = endpoint({
  name: 'keys-revoke',
  method: 'POST',
  route: 'auth/keys/{token_id:minlength(20)}/revoke',
  access: 'keys:revoke',
  params: KeyParams,
  body: RevokeKeyBody,
  idempotent: true,
  async handle({ params, body: { reason, text, replaced_by }, caller, services }) {
    const input = { keyId: params.token_id, reason, text, replacedBy: replaced_by, by: caller.id }
    const key = await revokeKey(services, caller.scope, input)
    return { body: await currentKeyView(services, key) }
  },
})
