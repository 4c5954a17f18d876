import { ValidationView } from '../../../shared/contracts/validate.ts'
import { callApi } from '../requests/api-client.ts'

/** A use that was let through: decided at some instant between these two. */
export interface Accepted {
  readonly sentMs: number
  readonly heardMs: number
}

interface Hammering {
  readonly baseUrls: readonly string[]
  readonly credential: string
  readonly secret: string
  readonly forMs: number
  /** How many requests are under way at one time, per host. */
  readonly atOnce: number
  readonly pauseMs: number
}

export interface HammerReport {
  readonly accepted: readonly Accepted[]
  readonly refused: number
  /** Codes other than VALID and the refusals by a limit. */
  readonly others: readonly string[]
}

/** Validates one key on several hosts for a while, as often as they let it. */
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
      const sentMs = performance.now()
      const code = await validate(baseUrl, { credential, secret })
      if (code === 'VALID') accepted.push({ sentMs, heardMs: performance.now() })
      else if (code === 'RATE_LIMITED' || code === 'QUOTA_EXCEEDED') refused++
      else others.push(code)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  await Promise.all(baseUrls.flatMap((baseUrl) => Array.from({ length: atOnce }, () => hammer(baseUrl))))
  return { accepted, refused, others }
}

/** The code of the verdict, or the status of what is none. */
export async function validate(
  baseUrl: string,
  { credential, secret }: { readonly credential: string; readonly secret: string },
): Promise<string> {
  const reply = await callApi(baseUrl, 'POST /auth/keys/validate', { credential, body: { key: secret } })
  return reply.status === 200 ? reply.as(ValidationView).code : String(reply.status)
}

/**
 * The most uses that lie in one span of this length for certain: sent after its beginning and heard of before its end. A
 * use whose answer was late may have been decided before, so it proves nothing.
 */
export function mostForCertain(accepted: readonly Accepted[], windowMs: number): number {
  const within = (fromMs: number) =>
    accepted.filter(({ sentMs, heardMs }) => sentMs >= fromMs && heardMs < fromMs + windowMs).length
  return Math.max(0, ...accepted.map(({ sentMs }) => within(sentMs)))
}
