import { describe, expect, test } from 'vitest'
import { simulateTrouble, type Trouble } from '../../../support/worlds/limit-trouble.ts'
import { type PlantedFault, plantedFaults } from '../../../support/worlds/limit-trouble-faults.ts'

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
  const exceeding: readonly PlantedFault[] = [
    'edits are learned late',
    'an old lease is honoured',
    'an edit starts a new count',
    'a rotation starts over',
    'a blip is an outage',
  ]
  for (const planted of exceeding) {
    test(`the planted fault: ${planted}`, async () => {
      expect((await worstOf(20, { planted })).over).toBeGreaterThan(0)
    })
  }

  test('a disk that forgets what was spent without the store', async () => {
    const restarting = { hasEdits: false, restartsInOutage: 60 }
    const [kept, forgotten] = [
      await worstOf(20, restarting, 3001),
      await worstOf(20, { ...restarting, planted: 'the disk forgets' }, 3001),
    ]
    expect(forgotten.outageSum).toBeGreaterThan(kept.outageSum * 1.05)
  })

  test('a start without a disk that has a whole share', async () => {
    const starting = { hasEdits: false, startsInOutage: 5 }
    const planted = 'a start without a disk has a whole share'
    expect((await worstOf(20, starting)).outageFactor).toBeLessThanOrEqual(2)
    expect((await worstOf(20, { ...starting, planted })).outageFactor).toBeGreaterThan(2)
  })

  test('every fault that can be planted', () => {
    const shown = [...exceeding, 'the disk forgets', 'a start without a disk has a whole share']
    expect(shown).toEqual(plantedFaults)
  })
})
