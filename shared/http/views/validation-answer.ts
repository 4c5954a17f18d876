import type { Services } from '../../app/services.ts'
import { policyName } from '../../domain/keys/key-limits.ts'
import type { Validation } from '../../operations/keys/validate-key.ts'
import type { Answer } from '../endpoint-spec.ts'
import { rateLimitHeaders, retryAfterSeconds } from '../rate-limit-headers.ts'
import { toValidationView } from './validation.ts'

/** The answer of validate, with the key's and its provider's limits in headers that a gateway may pass on. */
export function toValidationAnswer(
  validation: Validation,
  requestId: string,
  { clock, random }: Pick<Services, 'clock' | 'random'>,
): Answer {
  const body = toValidationView(validation, requestId)
  if (!('verdict' in validation) || validation.verdict.limits.length === 0) return { body }
  const { code, limits, exceeded } = validation.verdict
  const now = clock.now()
  const headers = rateLimitHeaders(
    limits.map((state) => ({ policy: policyName(state.limit), state })),
    now,
  )
  if (code !== 'RATE_LIMITED' || exceeded === null) return { headers, body }
  return { headers: { ...headers, 'retry-after': String(retryAfterSeconds(exceeded, now, random)) }, body }
}
