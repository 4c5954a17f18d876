import { KeyParams, RevokeKeyBody } from '../shared/contracts/keys.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { currentKeyView, keyLogFields, toRevokePendingView } from '../shared/http/views/keys.ts'
import { revokeKey } from '../shared/operations/keys/revoke-key.ts'

/**
 * `POST /auth/keys/{token_id}/revoke`: permanent and idempotent. 202 while the store is down: in the queue, in force on
 * this instance at once, and everywhere once the store is back.
 */
export const keysRevoke = endpoint({
  name: 'keys-revoke',
  method: 'POST',
  route: 'auth/keys/{token_id:minlength(20)}/revoke',
  access: 'keys:revoke',
  params: KeyParams,
  body: RevokeKeyBody,
  idempotent: 'if_possible',
  urgent: true,
  async handle({ params, body: { reason, text, replaced_by }, caller, services }) {
    const input = { keyId: params.token_id, reason, text, replacedBy: replaced_by, by: caller.id }
    const { kind, key } = await revokeKey(services, caller.scope, input)
    if (kind === 'pending') {
      return {
        status: 202,
        body: toRevokePendingView(key),
        logFields: { keyId: key.keyId, providerId: key.providerId },
      }
    }
    const { reports } = services.ending
    return { body: await currentKeyView({ reports, clock: services.clock }, key), logFields: keyLogFields(key) }
  },
})
