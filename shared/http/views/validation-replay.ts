import type { Services } from '../../app/services.ts'
import { BatchValidationView, ValidationView } from '../../contracts/validate.ts'
import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import { isStillValid } from '../../operations/keys/is-still-valid.ts'
import { type ValidateKeyInput, validateKey, validateKeys } from '../../operations/keys/validate-key.ts'
import type { StoredAnswer } from '../../ports/idempotency.ts'
import type { Answer } from '../endpoint-spec.ts'
import { observeValidation, observeValidations, toValidationAnswer, toValidationView } from './validation.ts'

/** The retry of a validation. */
interface Retry {
  readonly services: Services
  readonly scope: ProviderScope
  readonly requestId: string
}

/** The stored verdict. A VALID one of a key that is no longer valid is judged again: a revocation holds for replays too. */
export async function replayValidation(
  { services, scope, requestId }: Retry,
  input: ValidateKeyInput,
  stored: StoredAnswer,
): Promise<Answer> {
  const view = ValidationView.parse(stored.body)
  if (!view.valid || (await isStillValid(services, scope, input))) {
    const { status, headers } = stored
    return {
      status,
      headers,
      body: { ...view, request_id: requestId },
      logFields: { verdict: view.code, replayed: true },
    }
  }
  const validation = await validateKey(services, scope, input)
  return {
    ...toValidationAnswer(validation, requestId, services),
    logFields: observeValidation(services.metrics.meter, validation),
  }
}

/** The stored verdicts of a batch, those that no longer hold judged again. */
export async function replayValidations(
  { services, scope, requestId }: Retry,
  inputs: readonly ValidateKeyInput[],
  { status, headers, body }: StoredAnswer,
): Promise<Answer> {
  const { results } = BatchValidationView.parse(body)
  const holds = await Promise.all(
    inputs.map((input, index) => results[index]?.valid !== true || isStillValid(services, scope, input)),
  )
  const validations = await validateKeys(
    services,
    scope,
    inputs.filter((_, index) => holds[index] !== true),
  )
  const judged = validations.map((one) => toValidationView(one, requestId)).values()
  const current = results.map((view, index) =>
    holds[index] === true ? { ...view, request_id: requestId } : (judged.next().value ?? view),
  )
  return {
    ...{ status, headers, body: { results: current, request_id: requestId } },
    logFields: { ...observeValidations(services.metrics.meter, validations), replayed: true },
  }
}
