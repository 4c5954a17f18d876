import type { Services } from '../app/services.ts'
import { AppError } from '../domain/errors.ts'
import type { Limit } from '../domain/limits/limit.ts'
import { rateLimitHeaders, retryAfterSeconds } from './rate-limit-headers.ts'

interface LimitedCall {
  /** What is left to the caller, for the answer whatever it is. */
  readonly headers: Readonly<Record<string, string>>
  readonly refusal: AppError | undefined
}

const POLICY = 'calls'

/** Takes one call out of what this caller may call of this function. */
export async function takeCallerLimit(
  { limiter, managementLimit, clock, random }: Pick<Services, 'limiter' | 'managementLimit' | 'clock' | 'random'>,
  callerId: string,
  functionName: string,
): Promise<LimitedCall> {
  const kind = managementLimit.strategy === 'sliding_window' ? 'sliding' : 'fixed'
  const limit: Limit = {
    subject: `caller:${callerId}:${functionName}`,
    name: POLICY,
    limit: managementLimit.limit,
    window: { kind, seconds: managementLimit.windowSeconds },
  }
  const taking = await limiter.take([limit], 1)
  const now = clock.now()
  const headers = rateLimitHeaders(
    taking.states.map((state) => ({ policy: POLICY, state })),
    now,
  )
  if (taking.kind === 'taken') return { headers, refusal: undefined }
  const refusal = new AppError(
    'rate_limited',
    'The caller has made too many calls of this endpoint. Try again later.',
    {
      retryAfterSeconds: retryAfterSeconds({ ...taking.by, retryAfterMs: taking.retryAfterMs }, now, random),
      violatedPolicies: [POLICY],
    },
  )
  return { headers, refusal }
}
