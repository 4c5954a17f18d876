import type { LimitState, LimitWindow } from '../domain/limits/limit.ts'
import type { Random } from '../ports/runtime.ts'

// The one writer of these fields: draft-ietf-httpapi-ratelimit-headers-10 is still a draft and may change.

/** A limit as it is shown: `policy` is unique among those of one answer, `[a-z0-9._-]`. */
interface ShownLimit {
  readonly policy: string
  readonly state: LimitState
}

/** `RateLimit-Policy` says what the limits are, `RateLimit` what is left of them. Empty where there is no limit. */
export function rateLimitHeaders(shown: readonly ShownLimit[], now: Date): Readonly<Record<string, string>> {
  if (shown.length === 0) return {}
  return {
    'ratelimit-policy': shown.map(({ policy, state }) => `"${policy}"${policyOf(state)}`).join(', '),
    ratelimit: shown.map(({ policy, state }) => `"${policy}"${stateOf(state, now)}`).join(', '),
  }
}

interface Refusal extends Pick<LimitState, 'limit' | 'resetAtMs'> {
  readonly retryAfterMs: number
}

/** What a window is divided into: spreading a fleet of clients over more would only make them wait. */
const CELLS = 20

/**
 * Seconds for `Retry-After`: 1 or more, never earlier than what `RateLimit` says, and spread over up to a twentieth of the
 * window, so that clients that were refused together do not come back together.
 */
export function retryAfterSeconds({ limit, resetAtMs, retryAfterMs }: Refusal, now: Date, random: Random): number {
  const [byte = 0] = random.bytes(1)
  const spreadMs = (byte / 256) * ((lengthSeconds(limit.window) ?? 0) / CELLS) * 1000
  return Math.max(1, Math.ceil((Math.max(retryAfterMs, resetAtMs - now.getTime()) + spreadMs) / 1000))
}

function policyOf({ limit }: LimitState): string {
  const seconds = lengthSeconds(limit.window)
  return seconds === undefined ? `;q=${limit.limit}` : `;q=${limit.limit};w=${seconds}`
}

function stateOf({ remaining, resetAtMs }: LimitState, now: Date): string {
  return `;r=${Math.max(0, remaining)};t=${Math.max(0, Math.ceil((resetAtMs - now.getTime()) / 1000))}`
}

/** undefined for a month, which has no length of its own. */
function lengthSeconds(window: LimitWindow): number | undefined {
  if ('seconds' in window) return window.seconds
  return window.kind === 'day' ? 86_400 : undefined
}
