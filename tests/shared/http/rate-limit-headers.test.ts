import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LimitState, LimitWindow } from '../../../shared/domain/limits/limit.ts'
import { rateLimitHeaders, retryAfterSeconds } from '../../../shared/http/rate-limit-headers.ts'

const now = new Date('2026-11-22T16:00:00.000Z')
const stateOf = (window: LimitWindow, remaining: number, resetInMs: number): LimitState => ({
  limit: { subject: 'key:1', name: 'burst', limit: 100, window },
  remaining,
  resetAtMs: now.getTime() + resetInMs,
})
const minute = { kind: 'sliding', seconds: 60 } as const

describe('the RateLimit fields', () => {
  test('name each policy with its quota and window, and its remainder with the seconds until the reset', () => {
    const shown = [
      { policy: 'burst', state: stateOf(minute, 12, 29_001) },
      { policy: 'provider.quota.requests_per_day', state: stateOf({ kind: 'day' }, 0, 28_800_000) },
      { policy: 'quota.requests_per_month', state: stateOf({ kind: 'month' }, 7, 0) },
    ]
    expect(rateLimitHeaders(shown, now)).toEqual({
      'ratelimit-policy':
        '"burst";q=100;w=60, "provider.quota.requests_per_day";q=100;w=86400, "quota.requests_per_month";q=100',
      ratelimit: '"burst";r=12;t=30, "provider.quota.requests_per_day";r=0;t=28800, "quota.requests_per_month";r=7;t=0',
    })
  })

  test('are absent without a limit, and never negative', () => {
    expect(rateLimitHeaders([], now)).toEqual({})
    expect(rateLimitHeaders([{ policy: 'a', state: stateOf(minute, -3, -1000) }], now).ratelimit).toBe('"a";r=0;t=0')
  })
})

describe('Retry-After', () => {
  const seconds = (retryAfterMs: number, byte: number, resetInMs = 0, window: LimitWindow = minute) =>
    retryAfterSeconds({ ...stateOf(window, 0, resetInMs), retryAfterMs }, now, {
      bytes: () => Uint8Array.of(byte),
      id: () => '',
    })

  test('is whole seconds, at least 1, and never earlier than RateLimit says', () => {
    expect(seconds(0, 0)).toBe(1)
    expect(seconds(1, 0)).toBe(1)
    expect(seconds(1001, 0)).toBe(2)
    expect(seconds(1000, 0, 30_000)).toBe(30)
  })

  test('has jitter of up to a twentieth of the window, later and never earlier', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(60_000), (byte, retryAfterMs) => {
        const earliest = Math.max(1, Math.ceil(retryAfterMs / 1000))
        const jittered = seconds(retryAfterMs, byte)
        expect(jittered).toBeGreaterThanOrEqual(earliest)
        expect(jittered).toBeLessThanOrEqual(earliest + 3)
      }),
    )
    expect(seconds(1000, 255)).toBeGreaterThan(seconds(1000, 0))
    expect(seconds(1000, 255, 0, { kind: 'month' })).toBe(1)
  })
})
