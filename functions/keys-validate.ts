import { ValidateBody } from '../shared/contracts/validate.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { observeValidation, toValidateInput, toValidationAnswer } from '../shared/http/views/validation.ts'
import { replayValidation } from '../shared/http/views/validation-replay.ts'
import { validateKey } from '../shared/operations/keys/validate-key.ts'

/** `POST /auth/keys/validate`: the hot path. 200 with any verdict; 503 where no verdict is possible, never a guess. */
export const keysValidate = endpoint({
  name: 'keys-validate',
  method: 'POST',
  route: 'auth/keys/validate',
  access: 'keys:validate',
  unlimited: true,
  body: ValidateBody,
  idempotent: 'verdict',
  async handle({ body, caller, request, requestId, services }) {
    const validation = await validateKey(services, caller.scope, toValidateInput(body, request, caller.id))
    return {
      ...toValidationAnswer(validation, requestId, services),
      logFields: observeValidation(services.metrics.meter, validation),
    }
  },
  replay({ body, caller, request, requestId, services }, stored) {
    const input = toValidateInput(body, request, caller.id)
    return replayValidation({ services, scope: caller.scope, requestId }, input, stored)
  },
})
