import { BatchValidateBody } from '../shared/contracts/validate.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { observeValidations, toValidateInput, toValidationView } from '../shared/http/views/validation.ts'
import { replayValidations } from '../shared/http/views/validation-replay.ts'
import { validateKeys } from '../shared/operations/keys/validate-key.ts'

/** `POST /auth/keys/batch/validate`: up to 100 validations, each judged and counted like a single one. */
export const keysBatchValidate = endpoint({
  name: 'keys-batch-validate',
  method: 'POST',
  route: 'auth/keys/batch/validate',
  access: 'keys:validate',
  unlimited: true,
  body: BatchValidateBody,
  idempotent: 'verdict',
  maxBodyBytes: 4 * 1024 * 1024,
  async handle({ body, caller, request, requestId, services, weigh }) {
    weigh(body.requests.length)
    const inputs = body.requests.map((item) => toValidateInput(item, request, caller.id))
    const validations = await validateKeys(services, caller.scope, inputs)
    return {
      body: { results: validations.map((one) => toValidationView(one, requestId)), request_id: requestId },
      logFields: observeValidations(services.metrics.meter, validations),
    }
  },
  replay({ body, caller, request, requestId, services, weigh }, stored) {
    weigh(body.requests.length)
    const inputs = body.requests.map((item) => toValidateInput(item, request, caller.id))
    return replayValidations({ services, scope: caller.scope, requestId }, inputs, stored)
  },
})
