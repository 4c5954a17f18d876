import { KeyParams, RotateKeyBody } from '../shared/contracts/keys.ts'
import { authorize, refuseEscalation } from '../shared/http/authorize.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toNewKeyAnswer } from '../shared/http/views/keys.ts'
import { rotateKey } from '../shared/operations/keys/rotate-key.ts'

/** `POST /auth/keys/{token_id}/rotate`: a new key with the same policy; the old one is valid for the grace period. */
export const keysRotate = endpoint({
  name: 'keys-rotate',
  method: 'POST',
  route: 'auth/keys/{token_id:minlength(20)}/rotate',
  access: 'keys:write',
  params: KeyParams,
  body: RotateKeyBody,
  idempotent: true,
  async handle({ params, body: { grace_period_seconds, expires_at }, caller, seed, services }) {
    // Without a grace period the call ends the old key at once, as revoking does.
    if (grace_period_seconds === 0) authorize(caller, 'keys:revoke', false)
    const input = {
      keyId: params.token_id,
      newKeyId: seed,
      gracePeriodSeconds: grace_period_seconds,
      expiresAt: expires_at,
    }
    const newKey = await rotateKey(services, caller.scope, { ...input, by: caller.id }, (old, successor) => {
      refuseEscalation(caller, old)
      refuseEscalation(caller, { ...old, ...successor })
    })
    return toNewKeyAnswer(newKey, services.clock.now())
  },
})
