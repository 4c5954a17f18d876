import type { Validation } from '../../operations/keys/validate-key.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Answer } from '../endpoint-spec.ts'

type Counts = Pick<Meter, 'count'>
type Noted = NonNullable<Answer['trace']>

/** Counts the verdict, and gives what the log says of it. */
export function observeValidation(meter: Counts, validation: Validation): Noted {
  countVerdict(meter, validation)
  if (!('verdict' in validation)) return { verdict: validation.code }
  const { code, key, source, cacheAgeMs, degraded } = validation
  const { keyId, providerId } = key
  return { verdict: code, keyId, providerId, source, cacheAgeMs: Math.round(cacheAgeMs), degraded }
}

/** The same for many at once: how many of them got which verdict. */
export function observeValidations(meter: Counts, validations: readonly Validation[]): Noted {
  const counts = new Map<string, number>()
  for (const validation of validations) {
    countVerdict(meter, validation)
    counts.set(validation.code, (counts.get(validation.code) ?? 0) + 1)
  }
  return {
    validations: validations.length,
    verdicts: [...counts].map(([code, count]) => `${code}=${count}`).join(' '),
    degraded: validations.some(isDegraded),
  }
}

function countVerdict(meter: Counts, validation: Validation): void {
  meter.count('auth_api_verdicts_total', { code: validation.code, degraded: String(isDegraded(validation)) })
}

function isDegraded(validation: Validation): boolean {
  return 'degraded' in validation && validation.degraded
}
