import type { Services } from '../app/services.ts'
import { AppError } from '../domain/errors.ts'
import type { Limit } from '../domain/limits/limit.ts'
import { rateLimitHeaders, retryAfterSeconds } from './rate-limit-headers.ts'

interface CallerLimit {
  /** `RateLimit` headers for the answer, whether it is a refusal or not. */
  readonly headers: Readonly<Record<string, string>>
  readonly refusal: AppError | undefined
}

const POLICY = 'calls'

/** Takes one call from the caller's limit for this function. */
export async function takeCallerLimit(
  { limiter, managementLimit, clock, random }: Pick<Services, 'limiter' | 'managementLimit' | 'clock' | 'random'>,
  callerId: string,
  functionName: string,
): Promise<CallerLimit> {
  const kind = managementLimit.strategy === 'sliding_window' ? 'sliding' : 'fixed'
  const limit: Limit = {
    subject: `caller:${callerId}:${functionName}`,
    name: POLICY,
    limit: managementLimit.limit,
    window: { kind, seconds: managementLimit.windowSeconds },
    inOutage: 'allowance',
  }
  const result = await limiter.take([limit], 1)
  const now = clock.now()
  const headers = rateLimitHeaders(
    result.states.map((state) => ({ policy: POLICY, state })),
    now,
  )
  if (result.kind === 'taken') return { headers, refusal: undefined }
  const refusal = new AppError(
    'rate_limited',
    'The caller has made too many calls of this endpoint. Try again later.',
    {
      retryAfterSeconds: retryAfterSeconds({ ...result.by, retryAfterMs: result.retryAfterMs }, now, random),
      violatedPolicies: [POLICY],
    },
  )
  return { headers, refusal }
}
