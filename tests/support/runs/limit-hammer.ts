import { ValidationView } from '../../../shared/contracts/validate.ts'
import { callWithRetries } from '../requests/call-with-retries.ts'

/** A use that was let through, decided between `sentMs` and `receivedMs`. */
export interface Accepted {
  readonly sentMs: number
  readonly receivedMs: number
}

interface Hammering {
  readonly baseUrls: readonly string[]
  readonly credential: string
  readonly secret: string
  readonly forMs: number
  /** Concurrent requests per host. */
  readonly atOnce: number
  readonly pauseMs: number
}

export interface HammerReport {
  readonly accepted: readonly Accepted[]
  readonly refused: number
  /** Codes other than VALID and the refusals by a limit. */
  readonly others: readonly string[]
}

/** Validates one key on several hosts in a loop. */
export async function hammerKey({
  baseUrls,
  credential,
  secret,
  forMs,
  atOnce,
  pauseMs,
}: Hammering): Promise<HammerReport> {
  const accepted: Accepted[] = []
  const others: string[] = []
  let refused = 0
  const endsAtMs = performance.now() + forMs

  async function hammer(baseUrl: string): Promise<void> {
    while (performance.now() < endsAtMs) {
      const { code, sentMs } = await validate(baseUrl, { credential, secret })
      if (code === 'VALID') accepted.push({ sentMs, receivedMs: performance.now() })
      else if (code === 'RATE_LIMITED' || code === 'QUOTA_EXCEEDED') refused++
      else others.push(code)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  await Promise.all(baseUrls.flatMap((baseUrl) => Array.from({ length: atOnce }, () => hammer(baseUrl))))
  return { accepted, refused, others }
}

/**
 * Returns the code of the verdict, or the status of a reply without one. A 503 is retried: on a busy machine the store may
 * not answer in time. `sentMs` is when the answered request was sent.
 */
export async function validate(
  baseUrl: string,
  { credential, secret }: { readonly credential: string; readonly secret: string },
): Promise<{ readonly code: string; readonly sentMs: number }> {
  const body = { key: secret }
  const { reply, sentMs } = await callWithRetries(baseUrl, 'POST /auth/keys/validate', { credential, body })
  return { code: reply.status === 200 ? reply.as(ValidationView).code : String(reply.status), sentMs }
}

/**
 * The most uses that were certainly decided within one span of this length: sent after its start, answered before its
 * end. A use with a late answer may have been decided earlier, so it proves nothing.
 */
export function mostForCertain(accepted: readonly Accepted[], windowMs: number): number {
  const within = (fromMs: number) =>
    accepted.filter(({ sentMs, receivedMs }) => sentMs >= fromMs && receivedMs < fromMs + windowMs).length
  return Math.max(0, ...accepted.map(({ sentMs }) => within(sentMs)))
}
