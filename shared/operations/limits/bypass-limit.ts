import { LRUCache } from 'lru-cache'
import { AppError } from '../../domain/errors.ts'
import type { Clock } from '../../ports/runtime.ts'

/** Bounds the look-ups with `Cache-Control: no-cache`, each of which reads the store. */
export interface BypassLimit {
  /** Takes look-ups from the caller's budget, all or none. Throws `rate_limited`. */
  take(callerId: string, lookups: number): void
}

interface Bucket {
  left: number
  atMs: number
}

const POLICY = 'no_cache'
const CALLERS_MAX = 10_000
/** A full batch is let in. */
const PER_SECOND = 100

/** A token bucket per caller on this instance. Makes no request: it protects the store that a shared limit would ask. */
export function bypassLimit({ monotonicMs }: Pick<Clock, 'monotonicMs'>, perSecond = PER_SECOND): BypassLimit {
  const buckets = new LRUCache<string, Bucket>({ max: CALLERS_MAX })

  return {
    take(callerId, lookups) {
      const nowMs = monotonicMs()
      const bucket = buckets.get(callerId) ?? { left: perSecond, atMs: nowMs }
      bucket.left = Math.min(perSecond, bucket.left + ((nowMs - bucket.atMs) / 1000) * perSecond)
      bucket.atMs = nowMs
      buckets.set(callerId, bucket)
      if (bucket.left < lookups) throw tooMany(perSecond)
      bucket.left -= lookups
    },
  }
}

function tooMany(perSecond: number): AppError {
  return new AppError(
    'rate_limited',
    `The caller sends no-cache too often: ${perSecond} look-ups a second at most. Without it, a verdict is at most 8 s old.`,
    { retryAfterSeconds: 1, violatedPolicies: [POLICY] },
  )
}
