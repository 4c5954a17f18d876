import { describe, expect, test } from 'vitest'
import { type LimitScenario, mostWithin, simulateLimit } from '../../../support/worlds/limit-simulation.ts'

/**
 * Runs the limiter on 1 to 20 instances in simulated time and checks a log of every decision: it looks for holes in the
 * proof in docs/decisions/0004-leased-rate-limits.md. bench/limiter.ts runs more scenarios.
 */
const usual = { windowSeconds: 60, windows: 6, clockErrorMs: 100, crashes: 0.005, lostReplies: 0.02 }

const scenarios: readonly Omit<LimitScenario, 'seed'>[] = [
  { ...usual, instances: 1, limit: 100, load: 2, traffic: 'steady' },
  { ...usual, instances: 3, limit: 100, load: 0.9, traffic: 'steady' },
  { ...usual, instances: 3, limit: 100, load: 10, traffic: 'bursts' },
  { ...usual, instances: 3, limit: 10, load: 2, traffic: 'steady' },
  { ...usual, instances: 10, limit: 100, load: 2, traffic: 'one busy' },
  { ...usual, instances: 10, limit: 300, load: 2, traffic: 'bursts' },
  { ...usual, instances: 10, limit: 300, load: 0.3, traffic: 'steady' },
  { ...usual, instances: 20, limit: 200, load: 2, traffic: 'steady' },
  { ...usual, instances: 5, limit: 50, load: 3, traffic: 'bursts', windowSeconds: 5, windows: 40, clockErrorMs: 50 },
  { ...usual, instances: 3, limit: 20, load: 5, traffic: 'steady', windowSeconds: 1, windows: 60, clockErrorMs: 10 },
  { ...usual, instances: 1, limit: 10, load: 2, traffic: 'steady', windowSeconds: 5, windows: 40, clockErrorMs: 50 },
  { ...usual, instances: 3, limit: 10, load: 0.9, traffic: 'steady', windowSeconds: 5, windows: 40, clockErrorMs: 50 },
]
const seeds = [1, 2]

/** Bursts and small limits of longer windows have no goal. */
function leastShareOf({ traffic, limit, windowSeconds }: Omit<LimitScenario, 'seed'>): number {
  if (traffic === 'bursts') return 0
  if (windowSeconds <= 5) return 0.92
  return limit >= 100 ? 0.94 : 0
}

describe('a sliding window', () => {
  for (const scenario of scenarios) {
    const { instances, limit, load, traffic, windowSeconds } = scenario
    test(`of ${limit} in ${windowSeconds} s on ${instances} is never exceeded: ${traffic} traffic, load ${load}`, async () => {
      for (const seed of seeds) {
        const outcome = await simulateLimit({ ...scenario, seed })
        expect({ seed, ...outcome, holds: outcome.most <= limit }).toMatchObject({ holds: true })
        expect(outcome.admitted).toBeGreaterThan(0)
        expect(outcome.admitted / outcome.exact).toBeGreaterThanOrEqual(leastShareOf(scenario))
      }
    })
  }
})

describe('this simulation detects', () => {
  const hard = { ...usual, instances: 10, limit: 100, load: 10 } as const

  async function worst(planted: Partial<LimitScenario>): Promise<number> {
    let most = 0
    for (const seed of [1, 2, 3]) {
      for (const traffic of ['bursts', 'steady'] as const) {
        most = Math.max(most, (await simulateLimit({ ...hard, ...planted, traffic, seed })).most)
      }
    }
    return most
  }

  test('nothing where no fault is planted', async () => {
    expect(await worst({})).toBeLessThanOrEqual(hard.limit)
  })

  test('a ring that counts one cell too few', async () => {
    expect(await worst({ toldSeconds: 59 })).toBeGreaterThan(hard.limit)
  })

  test('clocks that are further off than the bounds allow', async () => {
    expect(await worst({ clockErrorMs: 1000 })).toBeGreaterThan(hard.limit)
  })

  test('one request too many, at the first and the last instant of a span', () => {
    expect(mostWithin([0, 10, 20], 20)).toBe(2)
    expect(mostWithin([0, 10, 19.999], 20)).toBe(3)
  })
})
