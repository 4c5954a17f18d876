import type * as z from 'zod'
import type { RateLimits } from '../../contracts/fields.ts'
import type { RateLimit } from '../../domain/keys/key.ts'

type WireRateLimits = z.output<typeof RateLimits>

export function toRateLimits(limits: WireRateLimits): RateLimit[] {
  return limits.map(({ window_seconds: windowSeconds, ...rest }) => ({ ...rest, windowSeconds }))
}

export function fromRateLimits(limits: readonly RateLimit[]): WireRateLimits {
  return limits.map(({ windowSeconds, ...rest }) => ({ ...rest, window_seconds: windowSeconds }))
}
