import { KeyParams, PatchKeyBody } from '../shared/contracts/keys.ts'
import { refuseEscalation, refuseUnenforced } from '../shared/http/authorize.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toKeyChanges } from '../shared/http/views/key-input.ts'
import { currentKeyView, keyLogFields } from '../shared/http/views/keys.ts'
import { patchKey } from '../shared/operations/keys/patch-key.ts'

/** `PATCH /auth/keys/{token_id}`: an absent field is unchanged, `null` clears. */
export const keysPatch = endpoint({
  name: 'keys-patch',
  method: 'PATCH',
  route: 'auth/keys/{token_id:minlength(20)}',
  wrongMethods: 'elsewhere',
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
    return { body: await currentKeyView(services, key), logFields: keyLogFields(key) }
  },
})
