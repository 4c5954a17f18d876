import type { LimitState, LimitWindow } from '../domain/limits/limit.ts'
import type { Random } from '../ports/runtime.ts'

// The one writer of these fields: draft-ietf-httpapi-ratelimit-headers-10 is still a draft and may change.

/** `policy` names the limit: `[a-z0-9._-]`, unique within one answer. */
interface ShownLimit {
  readonly policy: string
  readonly state: LimitState
}

/** Returns `RateLimit-Policy`, the limits, and `RateLimit`, their remainders; no header where there is no limit. */
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

/** Jitter is at most the window divided by this: more would only make clients wait longer. */
const JITTER_DIVISOR = 20

/**
 * Returns the seconds for `Retry-After`: at least 1, and never earlier than `RateLimit` says. Adds jitter of up to a
 * twentieth of the window, so that clients refused together do not retry together.
 */
export function retryAfterSeconds({ limit, resetAtMs, retryAfterMs }: Refusal, now: Date, random: Random): number {
  const [byte = 0] = random.bytes(1)
  const jitterMs = (byte / 256) * ((lengthSeconds(limit.window) ?? 0) / JITTER_DIVISOR) * 1000
  return Math.max(1, Math.ceil((Math.max(retryAfterMs, resetAtMs - now.getTime()) + jitterMs) / 1000))
}

function policyOf({ limit }: LimitState): string {
  const seconds = lengthSeconds(limit.window)
  return seconds === undefined ? `;q=${limit.limit}` : `;q=${limit.limit};w=${seconds}`
}

function stateOf({ remaining, resetAtMs }: LimitState, now: Date): string {
  return `;r=${Math.max(0, remaining)};t=${Math.max(0, Math.ceil((resetAtMs - now.getTime()) / 1000))}`
}

/** Returns undefined for a month, whose length varies. */
function lengthSeconds(window: LimitWindow): number | undefined {
  if ('seconds' in window) return window.seconds
  return window.kind === 'day' ? 86_400 : undefined
}
