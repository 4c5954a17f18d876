import { GenerateKeyBody } from '../shared/contracts/keys.ts'
import { refuseEscalation } from '../shared/http/authorize.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toNewKeyInput } from '../shared/http/views/key-input.ts'
import { toNewKeyAnswer } from '../shared/http/views/keys.ts'
import { generateKey } from '../shared/operations/keys/generate-key.ts'

/** `POST /auth/keys/generate`: besides rotate, the only answer that carries a secret. */
export const keysGenerate = endpoint({
  name: 'keys-generate',
  method: 'POST',
  route: 'auth/keys/generate',
  access: 'keys:write',
  body: GenerateKeyBody,
  idempotent: true,
  async handle({ body, caller, seed, services }) {
    const input = toNewKeyInput(body, caller, { keyId: seed, now: services.clock.now() })
    refuseEscalation(caller, input)
    const newKey = await generateKey(services, input)
    return toNewKeyAnswer(newKey, services.clock.now())
  },
})
