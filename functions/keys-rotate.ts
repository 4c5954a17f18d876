import { KeyParams, RotateKeyBody } from '../shared/contracts/keys.ts'
import { refuseEscalation } from '../shared/http/delegation.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toKeyView } from '../shared/http/key-view.ts'
import { rotateKey } from '../shared/operations/rotate-key.ts'

/** `POST /auth/keys/{token_id}/rotate`: a new key with the same policy; the old one lives on for the grace period. */
export const keysRotate = endpoint({
  name: 'keys-rotate',
  method: 'POST',
  route: 'auth/keys/{token_id:minlength(20)}/rotate',
  access: 'keys:write',
  params: KeyParams,
  body: RotateKeyBody,
  idempotent: true,
  async handle({ params, body: { grace_period_seconds, expires_at }, caller, seed, services }) {
    const input = {
      keyId: params.token_id,
      newKeyId: seed,
      gracePeriodSeconds: grace_period_seconds,
      expiresAt: expires_at,
    }
    const { key, secret } = await rotateKey(services, caller.scope, { ...input, by: caller.id }, (old) =>
      refuseEscalation(caller, old),
    )
    const view = toKeyView(key, services.clock.now(), undefined)
    return {
      status: 201,
      headers: { location: `/auth/keys/${key.keyId}` },
      body: { key: secret, ...view },
      replayBody: { key: null, ...view },
    }
  },
})
