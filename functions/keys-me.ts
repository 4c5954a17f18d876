import { endpoint } from '../shared/http/endpoint.ts'
import { toPolicyView } from '../shared/http/views/keys.ts'

/** `GET /auth/keys/me`: a holder reads its own key's policy and expiry. Every refusal is the same 401. */
export const keysMe = endpoint({
  name: 'keys-me',
  method: 'GET',
  route: 'auth/keys/me',
  access: 'holder',
  async handle({ caller, services }) {
    return { body: toPolicyView(caller.key, services.clock.now()) }
  },
})
