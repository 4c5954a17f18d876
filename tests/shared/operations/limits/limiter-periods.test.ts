import { describe, expect, test } from 'vitest'
import type { Limit } from '../../../../shared/domain/limits/limit.ts'
import type { Limiter } from '../../../../shared/ports/limits.ts'
import { limiterWorld } from '../../../support/worlds/limiter-under-test.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

const perMinute: Limit = { subject: 'key:1', name: 'l', limit: 90, window: { kind: 'sliding', seconds: 60 } }
const perDay = (limit: number): Limit => ({ subject: 'key:1', name: 'quota', limit, window: { kind: 'day' } })

async function takeTimes(limiter: Limiter, limit: Limit, times: number): Promise<number> {
  let taken = 0
  for (let time = 0; time < times; time++) if ((await limiter.take([limit], 1)).kind === 'taken') taken++
  return taken
}

describe('a limit by the day', () => {
  test('gives its last credit to exactly one of 1,000 on three instances', async () => {
    const { instance } = limiterWorld()
    for (let round = 0; round < 20; round++) {
      const quota = { ...perDay(1), name: `q${round}` }
      const fleet = [instance(), instance(), instance()]
      const takings = await Promise.all(
        Array.from({ length: 1000 }, (_, request) => fleet[request % 3]?.take([quota], 1)),
      )
      expect(takings.filter((taking) => taking?.kind === 'taken').length).toBe(1)
    }
  })

  test('gets idle tokens back, and all tokens at the end', async () => {
    const { time, store, instance } = limiterWorld()
    const [limiter, other] = [instance(), instance()]
    const quota = perDay(10_000)
    const hold = async () => {
      for (let request = 0; request < 20; request++) {
        await limiter.take([quota], 1)
        await time.advance(50)
      }
    }
    const left = async () => {
      const found = await store.read(quota)
      return 10_000 - [...(found?.record.cells.values() ?? [])].reduce((sum, tokens) => sum + tokens, 0)
    }
    await hold()
    expect(await left()).toBeLessThan(9980)
    expect(limiter.leases()).toBe(1)
    await time.advance(3 * MINUTE)
    expect(await left()).toBe(9980)
    expect(limiter.leases()).toBe(0)
    await hold()
    expect(await left()).toBeLessThan(9960)
    await limiter.release()
    expect(await left()).toBe(9960)
    expect((await other.take([quota], 1)).kind).toBe('taken')
    expect(time.scheduled()).toBeLessThanOrEqual(2)
  })

  test('whose record was restored gets no tokens back that it never charged', async () => {
    const { store, instance } = limiterWorld()
    const limiter = instance()
    for (let request = 0; request < 20; request++) await limiter.take([perDay(10_000)], 1)
    const found = await store.read(perDay(10_000))
    const [day = 0] = found?.record.cells.keys() ?? []
    const restored = {
      division: 'day',
      policy: { version: 0, limit: 10_000 },
      cells: new Map([[day, 25]]),
      writers: new Map(),
    }
    await store.write(perDay(10_000), restored, found?.version, new Date('2026-11-24T16:00:00.000Z'))
    await limiter.release()
    expect((await store.read(perDay(10_000)))?.record.cells).toEqual(new Map([[day, 25]]))
    expect(limiter.leases()).toBe(0)
  })

  test('loses no tokens to lost replies', async () => {
    const { store, instance } = limiterWorld()
    store.losesReplies = true
    const fleet = [instance(), instance()]
    let taken = 0
    for (let request = 0; request < 120; request++) {
      const taking = await fleet[request % 2]?.take([perDay(99)], 1)
      if (taking?.kind === 'taken') taken++
    }
    expect(taken).toBe(99)
  })

  test('is never exceeded by two instances that take turns, and loses no tokens', async () => {
    const { time, instance } = limiterWorld()
    const fleet = [instance(), instance()]
    let taken = 0
    for (let request = 0; request < 700; request++) {
      const taking = await fleet[request % 2]?.take([perDay(500)], 1)
      if (taking?.kind === 'taken') taken++
      await time.advance(37)
    }
    expect(taken).toBeLessThanOrEqual(500)
    expect(taken).toBeGreaterThanOrEqual(490)
  })
})

describe('the clock of a machine', () => {
  test('may be minutes off: the instances still share one limit', async () => {
    const { time, instance } = limiterWorld()
    const fleet = [instance({ aheadMs: () => 5 * MINUTE }), instance({ aheadMs: () => -7 * MINUTE })]
    let taken = 0
    for (let request = 0; request < 300; request++) {
      const taking = await fleet[request % 2]?.take([perMinute], 1)
      if (taking?.kind === 'taken') taken++
      await time.advance(100)
    }
    expect(taken).toBe(90)
    expect(fleet[0]?.clockSkewSeconds()).toBeCloseTo(300, 1)
    expect(fleet[1]?.clockSkewSeconds()).toBeCloseTo(-420, 1)
  })

  test('may be set at any time: the instance asks the store for its time before it spends', async () => {
    const { time, store, instance } = limiterWorld()
    let aheadMs = 0
    const limiter = instance({ aheadMs: () => aheadMs })
    expect(await takeTimes(limiter, perMinute, 80)).toBe(80)
    aheadMs = 10 * MINUTE
    expect(limiter.clockSkewSeconds()).toBeUndefined()
    const { writes } = store
    expect(await takeTimes(limiter, perMinute, 80)).toBe(10)
    expect(store.writes).toBeGreaterThan(writes)
    await time.advance(SECOND)
    expect(limiter.clockSkewSeconds()).toBeCloseTo(600, 1)
  })
})
