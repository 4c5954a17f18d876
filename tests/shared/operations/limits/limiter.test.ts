import { describe, expect, test } from 'vitest'
import type { Limit, Taking } from '../../../../shared/domain/limits/limit.ts'
import type { Limiter } from '../../../../shared/ports/limits.ts'
import { limiterWorld } from '../../../support/worlds/limiter-under-test.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

const perMinute = (limit: number, name = 'per-minute'): Limit => ({
  ...{ subject: 'key:1', name, limit },
  window: { kind: 'sliding', seconds: 60 },
})
const perDay = (limit: number): Limit => ({ subject: 'key:1', name: 'quota', limit, window: { kind: 'day' } })

/** How many of `times` sequential requests are let through. */
async function takeTimes(limiter: Limiter, limits: readonly Limit[], times: number): Promise<number> {
  let taken = 0
  for (let time = 0; time < times; time++) if ((await limiter.take(limits, 1)).kind === 'taken') taken++
  return taken
}

describe('a limit', () => {
  test('lets its number through, and the same number again when the window has passed', async () => {
    const { time, instance } = limiterWorld()
    const limiter = instance()
    expect(await takeTimes(limiter, [perMinute(100)], 150)).toBe(100)
    await time.advance(MINUTE - SECOND)
    expect(await takeTimes(limiter, [perMinute(100)], 10)).toBe(0)
    await time.advance(3 * SECOND)
    expect(await takeTimes(limiter, [perMinute(100)], 150)).toBe(100)
  })

  test('is shared by all instances', async () => {
    const { instance } = limiterWorld()
    const fleet = Array.from({ length: 5 }, () => instance())
    const takings = await Promise.all(
      Array.from({ length: 500 }, (_, request) => fleet[request % 5]?.take([perMinute(100)], 1)),
    )
    expect(takings.filter((taking) => taking?.kind === 'taken').length).toBe(100)
  })

  test('says when a retry makes sense, and the retry succeeds', async () => {
    const { time, instance } = limiterWorld()
    const limiter = instance()
    await takeTimes(limiter, [perMinute(10)], 5)
    await time.advance(20 * SECOND)
    await takeTimes(limiter, [perMinute(10)], 5)
    const refused = await limiter.take([perMinute(10)], 1)
    expect(refused).toMatchObject({ kind: 'refused', by: { remaining: 0 } })
    const retryAfterMs = refused.kind === 'refused' ? refused.retryAfterMs : 0
    expect(retryAfterMs).toBeGreaterThan(39 * SECOND)
    expect(retryAfterMs).toBeLessThan(43 * SECOND)
    await time.advance(retryAfterMs)
    expect(await takeTimes(limiter, [perMinute(10)], 10)).toBe(5)
  })

  test('counts the cost of a request; a cost above the limit is told to wait for a whole window', async () => {
    const { instance } = limiterWorld()
    const limiter = instance()
    expect((await limiter.take([perMinute(10)], 7)).kind).toBe('taken')
    expect((await limiter.take([perMinute(10)], 4)).kind).toBe('refused')
    expect((await limiter.take([perMinute(10)], 3)).kind).toBe('taken')
    const refused = await limiter.take([perMinute(10, 'other')], 11)
    expect(refused.kind === 'refused' && refused.retryAfterMs).toBeGreaterThanOrEqual(MINUTE)
  })

  test('applies as edited from the change on: its number, and its window', async () => {
    const { instance } = limiterWorld()
    const limiter = instance()
    await takeTimes(limiter, [perMinute(100)], 100)
    expect(await takeTimes(limiter, [perMinute(150)], 100)).toBe(50)
    expect(await takeTimes(limiter, [perMinute(50)], 10)).toBe(0)
    const shorter: Limit = { ...perMinute(200), window: { kind: 'sliding', seconds: 10 } }
    expect(await takeTimes(limiter, [shorter], 100)).toBe(50)
  })

  test('of a fixed window starts over with every window', async () => {
    const { time, instance } = limiterWorld()
    const limiter = instance()
    const fixed: Limit = { ...perMinute(50), window: { kind: 'fixed', seconds: 60 } }
    await time.advance(50 * SECOND)
    expect(await takeTimes(limiter, [fixed], 60)).toBe(50)
    expect((await limiter.take([fixed], 1)) as Taking).toMatchObject({
      kind: 'refused',
      by: { resetAtMs: Date.parse('2026-11-22T16:01:00.000Z') },
    })
    await time.advance(11 * SECOND)
    expect(await takeTimes(limiter, [fixed], 60)).toBe(50)
  })

  test('still holds after its eviction from the cache', async () => {
    const { instance } = limiterWorld()
    const limiter = instance({ maxLimits: 3 })
    const limits = Array.from({ length: 10 }, (_, index) => perMinute(20, `n${index}`))
    const takings: Taking[] = []
    for (let round = 0; round < 30; round++) for (const limit of limits) takings.push(await limiter.take([limit], 1))
    for (const { name } of limits) {
      const taken = takings.filter(({ kind, states }) => kind === 'taken' && states[0]?.limit.name === name)
      expect(taken.length).toBeLessThanOrEqual(20)
      expect(taken.length).toBeGreaterThan(0)
    }
  })
})

describe('several limits at once', () => {
  test('are taken from atomically: all or none', async () => {
    const { instance } = limiterWorld()
    const limiter = instance()
    const [wide, narrow] = [perMinute(50, 'wide'), perMinute(10, 'narrow')]
    expect(await takeTimes(limiter, [wide, narrow], 30)).toBe(10)
    const refused = await limiter.take([wide, narrow], 1)
    expect(refused).toMatchObject({ kind: 'refused', by: { limit: narrow, remaining: 0 } })
    expect(refused.states.map(({ limit }) => limit)).toEqual([wide, narrow])
    expect(await takeTimes(limiter, [wide], 100)).toBe(40)
  })

  test('are taken from exactly once by each of many concurrent requests', async () => {
    const { instance } = limiterWorld()
    const limiter = instance()
    const limits = [perMinute(40, 'a'), perMinute(60, 'b'), perDay(50)]
    const takings = await Promise.all(Array.from({ length: 200 }, () => limiter.take(limits, 1)))
    expect(takings.filter(({ kind }) => kind === 'taken').length).toBe(40)
    expect(await takeTimes(limiter, [perDay(50)], 100)).toBe(10)
  })
})

describe('a look', () => {
  test('returns what a take would return, consumes nothing and writes nothing', async () => {
    const { store, instance } = limiterWorld()
    const limiter = instance()
    expect(await limiter.look([perMinute(10)], 1)).toMatchObject({ kind: 'taken', states: [{ remaining: 9 }] })
    expect(store.writes).toBe(0)
    await takeTimes(limiter, [perMinute(10)], 8)
    const { writes } = store
    expect(await instance().look([perMinute(10)], 0)).toMatchObject({ kind: 'taken' })
    expect(await limiter.look([perMinute(10)], 2)).toMatchObject({ kind: 'taken', states: [{ remaining: 0 }] })
    expect(await limiter.look([perMinute(10)], 3)).toMatchObject({ kind: 'refused', by: { remaining: 2 } })
    expect(store.writes).toBe(writes)
    expect(await takeTimes(limiter, [perMinute(10)], 5)).toBe(2)
  })
})

describe('the store', () => {
  test('delays no request of a warm key under its limit', async () => {
    const { time, store, instance } = limiterWorld()
    const limiter = instance()
    const limit = perMinute(1000)
    let waited = 0
    for (let request = 0; request < 1200; request++) {
      const taking = limiter.take([limit], 1)
      if (taking instanceof Promise) waited++
      expect((await taking).kind).toBe('taken')
      await time.advance(100)
    }
    expect(waited).toBe(1)
    expect(store.writes).toBeLessThan(100)
  })

  test('is read once for many concurrent requests', async () => {
    const { store, instance } = limiterWorld()
    const limiter = instance()
    const takings = await Promise.all(Array.from({ length: 500 }, () => limiter.take([perMinute(1000)], 1)))
    expect(takings.every(({ kind }) => kind === 'taken')).toBe(true)
    expect(store.reads).toBe(1)
    expect(store.writes).toBe(2)
  })

  test('gets no request for an exhausted limit until more tokens may be available', async () => {
    const { time, store, instance } = limiterWorld()
    const limiter = instance()
    await takeTimes(limiter, [perMinute(10)], 11)
    const asked = store.reads + store.writes
    for (let request = 0; request < 1000; request++)
      expect(limiter.take([perMinute(10)], 1)).toMatchObject({ kind: 'refused' })
    expect(store.reads + store.writes).toBe(asked)
    await time.advance(10 * SECOND)
    expect(await takeTimes(limiter, [perMinute(10)], 1000)).toBe(0)
    expect(store.reads + store.writes).toBe(asked + 1)
  })

  test('is written once for several requests of a rarely used key', async () => {
    const { time, store, instance } = limiterWorld()
    const limiter = instance()
    let waited = 0
    for (let request = 0; request < 60; request++) {
      const taking = limiter.take([perMinute(1000)], 1)
      if (taking instanceof Promise) waited++
      await taking
      await time.advance(MINUTE)
    }
    expect(store.writes).toBeLessThanOrEqual(20)
    expect(waited).toBeLessThanOrEqual(15)
  })
})
