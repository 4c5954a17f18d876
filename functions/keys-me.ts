import { endpoint } from '../shared/http/endpoint.ts'
import { toPolicyView } from '../shared/http/views/keys.ts'

/** `GET /auth/keys/me`: a holder reads what its own key may do, and until when. Every refusal is one uniform 401. */
export const keysMe = endpoint({
  name: 'keys-me',
  method: 'GET',
  route: 'auth/keys/me',
  access: 'holder',
  async handle({ caller, services }) {
    return { body: toPolicyView(caller.key, services.clock.now()) }
  },
})
