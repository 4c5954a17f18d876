import { describe, expect, test } from 'vitest'
import { simulateTrouble, type Trouble } from '../../../support/worlds/limit-trouble.ts'

/**
 * Seeded runs of 1 to 20 instances with edits, rotations, outages, blips, restarts and new instances. bench/limiter.ts runs
 * 2,000 of them.
 */
async function worstOf(runs: number, trouble: Omit<Trouble, 'seed'>, firstSeed = 1) {
  const worst = { over: Number.NEGATIVE_INFINITY, overSeed: 0, outageFactor: 0, outageSeed: 0, outageSum: 0 }
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const { over, outageFactor, admitted } = await simulateTrouble({ ...trouble, seed })
    expect(admitted).toBeGreaterThan(0)
    worst.outageSum += outageFactor
    if (over > worst.over) Object.assign(worst, { over, overSeed: seed })
    if (outageFactor > worst.outageFactor) Object.assign(worst, { outageFactor, outageSeed: seed })
  }
  return worst
}

describe('a limit in trouble', () => {
  test('is never exceeded while the store answers, and at most twice in a window with an outage', {
    timeout: 120_000,
  }, async () => {
    const worst = await worstOf(100, {})
    expect(worst).toMatchObject({ over: expect.toSatisfy((over: number) => over <= 0) })
    expect(worst).toMatchObject({ outageFactor: expect.toSatisfy((factor: number) => factor <= 2) })
  })

  test('is never exceeded with fail_mode closed, in an outage either', { timeout: 120_000 }, async () => {
    const worst = await worstOf(50, { isClosed: true }, 1001)
    expect(worst).toMatchObject({ over: expect.toSatisfy((over: number) => over <= 0) })
  })

  test('holds more than the larger of two limits in no window, and no more than the new one 10 s after an edit', {
    timeout: 120_000,
  }, async () => {
    const worst = await worstOf(50, { hasOutages: false }, 2001)
    expect(worst).toMatchObject({ over: expect.toSatisfy((over: number) => over <= 0) })
  })

  test('gives no more to an instance that restarts again and again in an outage', { timeout: 120_000 }, async () => {
    const worst = await worstOf(20, { hasEdits: false, restartsInOutage: 60 }, 3001)
    expect(worst).toMatchObject({ outageFactor: expect.toSatisfy((factor: number) => factor <= 2) })
  })
})

describe('these runs detect', { timeout: 120_000 }, () => {
  test('edits that are learned too late', async () => {
    expect((await worstOf(10, { planted: 'edits are learned late' })).over).toBeGreaterThan(0)
  })

  test('a rotation that starts a new count', async () => {
    expect((await worstOf(10, { planted: 'a rotation starts over' })).over).toBeGreaterThan(0)
  })

  test('a disk that forgets what was spent without the store', async () => {
    const restarting = { hasEdits: false, restartsInOutage: 60 }
    const [kept, forgotten] = [
      await worstOf(20, restarting, 3001),
      await worstOf(20, { ...restarting, planted: 'the disk forgets' }, 3001),
    ]
    expect(forgotten.outageSum).toBeGreaterThan(kept.outageSum * 1.05)
  })
})
