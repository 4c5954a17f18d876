import { RevokeKeyBody } from '../shared/contracts/keys.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toPolicyView } from '../shared/http/key-view.ts'
import { revokeKey } from '../shared/operations/revoke-key.ts'

/** `POST /auth/keys/me/revoke`: whoever holds a key may end it, once or again. */
export const keysMeRevoke = endpoint({
  name: 'keys-me-revoke',
  method: 'POST',
  route: 'auth/keys/me/revoke',
  access: 'possessor',
  body: RevokeKeyBody.omit({ replaced_by: true }),
  idempotent: true,
  async handle({ body, caller: { key, scope }, services }) {
    const input = { ...body, keyId: key.keyId, replacedBy: null, by: key.keyId }
    const revoked = await revokeKey(services, scope, input)
    return { body: toPolicyView(revoked, services.clock.now()) }
  },
})
