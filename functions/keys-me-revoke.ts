import { RevokeOwnKeyBody } from '../shared/contracts/keys.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toOwnRevokePendingView, toPolicyView } from '../shared/http/views/keys.ts'
import { revokeKey } from '../shared/operations/keys/revoke-key.ts'

/** `POST /auth/keys/me/revoke`: a holder revokes its own key. Idempotent; 202 while the store is down. */
export const keysMeRevoke = endpoint({
  name: 'keys-me-revoke',
  method: 'POST',
  route: 'auth/keys/me/revoke',
  access: 'possessor',
  body: RevokeOwnKeyBody,
  idempotent: 'if_possible',
  urgent: true,
  async handle({ body, caller: { key, scope }, services }) {
    const input = { ...body, keyId: key.keyId, replacedBy: null, by: key.keyId }
    const { kind, key: revoked } = await revokeKey(services, scope, input)
    if (kind === 'pending') return { status: 202, body: toOwnRevokePendingView(revoked) }
    return { body: toPolicyView(revoked, services.clock.now()) }
  },
})
