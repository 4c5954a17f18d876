import { KeyParams, PatchKeyBody } from '../shared/contracts/keys.ts'
import { currentKeyView } from '../shared/http/current-key-view.ts'
import { refuseEscalation, refuseUnenforced } from '../shared/http/delegation.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toKeyChanges } from '../shared/http/key-changes.ts'
import { traceKey } from '../shared/http/trace-key.ts'
import { patchKey } from '../shared/operations/patch-key.ts'

/** `PATCH /auth/keys/{token_id}`: what is absent stays, `null` clears. */
export const keysPatch = endpoint({
  name: 'keys-patch',
  method: 'PATCH',
  route: 'auth/keys/{token_id:minlength(20)}',
  access: 'keys:write',
  params: KeyParams,
  body: PatchKeyBody,
  idempotent: true,
  async handle({ params, body, caller, services }) {
    const key = await patchKey(services, caller.scope, params.token_id, toKeyChanges(body), (before, after) => {
      refuseEscalation(caller, before)
      refuseEscalation(caller, after)
      refuseUnenforced(after)
    })
    return { body: await currentKeyView(services, key), trace: traceKey(key) }
  },
})
