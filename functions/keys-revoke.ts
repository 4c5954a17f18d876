import { KeyParams, RevokeKeyBody } from '../shared/contracts/keys.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { readCascadeCursor, toCascadeParts } from '../shared/http/views/cascade.ts'
import { currentKeyView, keyLogFields, toRevokePendingView } from '../shared/http/views/keys.ts'
import { revokeKey } from '../shared/operations/keys/revoke-key.ts'
import { revokeWithMadeKeys } from '../shared/operations/keys/revoke-made-keys.ts'

/**
 * `POST /auth/keys/{token_id}/revoke`: permanent and idempotent. 202 while the store is down: in the queue, in force on
 * this instance at once, and everywhere once the store is back. With `cascade`, also what the key made, in bounded calls.
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
  async handle({ params, body: { reason, text, replaced_by, cascade, cascade_cursor }, caller, services }) {
    const keyId = params.token_id
    const input = { keyId, reason, text, replacedBy: replaced_by, by: caller.id }
    const progress = readCascadeCursor(services, keyId, cascade_cursor)
    const done = cascade
      ? await revokeWithMadeKeys(services, caller.scope, input, progress)
      : { outcome: await revokeKey(services, caller.scope, input), cascade: undefined }
    const { kind, key } = done.outcome
    const { headers, ...more } = toCascadeParts(services, keyId, done.cascade)
    const cascadeFields = done.cascade && { cascadeRevoked: done.cascade.revoked }
    const logFields = { keyId: key.keyId, providerId: key.providerId, ...cascadeFields }
    if (kind === 'pending') {
      return { status: 202, headers, body: { ...toRevokePendingView(key), ...more }, logFields }
    }
    const { reports } = services.ending
    return {
      headers,
      body: { ...(await currentKeyView({ reports, clock: services.clock }, key)), ...more },
      logFields: { ...logFields, ...keyLogFields(key) },
    }
  },
})
