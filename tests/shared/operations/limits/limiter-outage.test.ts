import { describe, expect, test } from 'vitest'
import type { Limit } from '../../../../shared/domain/limits/limit.ts'
import type { Limiter, LimitStore } from '../../../../shared/ports/limits.ts'
import { memoryLimitJournal } from '../../../support/memory/memory-limit-journal.ts'
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

describe('while the store is down', () => {
  test('each instance spends its share of what the record leaves, and the first write afterwards charges it', async () => {
    const { time, store, instance, goOffline } = limiterWorld()
    const fleet = [instance(), instance(), instance()]
    for (const limiter of fleet) await limiter.take([perMinute], 1)
    await time.advance(5 * MINUTE + 5 * SECOND)
    for (const limiter of fleet) await takeTimes(limiter, perMinute, 10)
    const [first] = fleet
    if (first === undefined) return
    await first.look([perMinute], 0)
    await time.advance(3 * SECOND)
    await first.look([perMinute], 0)
    const { states } = await first.look([perMinute], 0)
    const left = states[0]?.remaining ?? 0
    expect(left).toBeGreaterThan(50)
    await goOffline(first)
    const taken = await takeTimes(first, perMinute, 200)
    expect(taken).toBeGreaterThanOrEqual(15)
    expect(taken).toBeLessThanOrEqual(20 + 4)
    store.isDown = false
    await time.advance(2 * SECOND)
    await first.take([perMinute], 1)
    await time.advance(SECOND)
    const rest = await takeTimes(first, perMinute, 200)
    expect(30 + taken + rest).toBeLessThanOrEqual(90)
    expect(30 + taken + rest).toBeGreaterThanOrEqual(80)
  })

  test('a refusal of our own is no outage: no share is given out, and the next take asks again', async () => {
    const { store, instance } = limiterWorld()
    const limiter = instance()
    store.isBusy = true
    for (const limit of [perMinute, perDay(10)]) {
      await expect(async () => limiter.take([limit], 1)).rejects.toMatchObject({ code: 'overloaded' })
      await expect(async () => limiter.take([limit], 1)).rejects.toMatchObject({ code: 'overloaded' })
    }
    store.isBusy = false
    expect(await takeTimes(limiter, perMinute, 200)).toBe(90)
  })

  test('an instance that never read the limit has a tenth of it as its allowance', async () => {
    const { instance, goOffline } = limiterWorld()
    const limiter = instance()
    await goOffline(limiter)
    expect(await takeTimes(limiter, perMinute, 200)).toBe(9)
  })

  test('only the first requests wait for it: later requests are answered at once', async () => {
    const { time, store, instance, goOffline } = limiterWorld()
    const limiter = instance()
    const wide = { ...perMinute, limit: 1000 }
    await goOffline(limiter)
    const asked = store.reads + store.writes
    for (let second = 0; second < 30; second++) {
      expect(limiter.take([wide], 1)).toMatchObject({ kind: 'taken' })
      await time.advance(SECOND)
    }
    expect(store.reads + store.writes - asked).toBeLessThanOrEqual(31)
  })

  test('a limit by the day spends its leases, and then throws store_unavailable', async () => {
    const { time, store, instance, eventually } = limiterWorld()
    const limiter = instance()
    const quota = perDay(100_000)
    for (let request = 0; request < 50; request++) {
      await limiter.take([quota], 1)
      await time.advance(100)
    }
    store.isDown = true
    let taken = 0
    const exhaust = async () => {
      for (;;) {
        await eventually(limiter.take([quota], 1))
        taken++
      }
    }
    await expect(exhaust()).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(taken).toBeGreaterThan(0)
    expect(taken).toBeLessThanOrEqual(1000)
    await expect(async () => limiter.take([quota, perMinute], 1)).rejects.toMatchObject({ code: 'store_unavailable' })
    store.isDown = false
    await time.advance(2 * SECOND)
    expect((await limiter.take([quota], 1)).kind).toBe('taken')
  })

  test('a limit of a provider that fails closed has no allowance', async () => {
    const { instance, goOffline } = limiterWorld()
    const limiter = instance()
    const closed: Limit = { ...perMinute, inOutage: 'refuse' }
    await goOffline(limiter)
    await expect(async () => limiter.take([closed], 1)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect((await limiter.take([{ ...perMinute, name: 'open' }], 1)).kind).toBe('taken')
  })

  test('the limits of callers have their allowance at once, and it is never nothing', async () => {
    const { store, instance } = limiterWorld()
    const limiter = instance()
    store.isDown = true
    const calls: Limit = { subject: 'caller:x', name: 'calls', limit: 3, window: { kind: 'sliding', seconds: 60 } }
    expect(await takeTimes(limiter, { ...calls, inOutage: 'allowance' }, 5)).toBe(1)
  })
})

describe('a blip of the store', () => {
  test.each([200, 1000, 3000, 5000])('of %i ms gives no allowance: requests wait for its end', async (blipMs) => {
    const { time, store, instance } = limiterWorld()
    const fleet = [instance(), instance()]
    let taken = 0
    for (const limiter of fleet) taken += await takeTimes(limiter, perMinute, 30)
    store.isDown = true
    const waiting = Array.from({ length: 100 }, async (_, request) => {
      const taking = await fleet[request % 2]?.take([perMinute], 1)
      if (taking?.kind === 'taken') taken++
    })
    await time.advance(blipMs)
    expect(taken).toBeLessThanOrEqual(70)
    store.isDown = false
    await time.advance(SECOND)
    await Promise.all(waiting)
    expect(taken).toBe(90)
  })

  test('between longer ones with an answer in each is no outage either', async () => {
    const { time, store, instance, eventually } = limiterWorld()
    const limiter = instance()
    let taken = await takeTimes(limiter, perMinute, 90)
    for (let blip = 0; blip < 10; blip++) {
      store.isDown = true
      const takings = Array.from({ length: 10 }, () => limiter.take([perMinute], 1))
      await time.advance(4 * SECOND)
      store.isDown = false
      for (const taking of takings) if ((await eventually(taking)).kind === 'taken') taken++
      await time.advance(SECOND)
    }
    expect(taken).toBe(90)
  })
})

describe('what was let through without the store', () => {
  const used = async (store: LimitStore) =>
    [...((await store.read(perMinute))?.record.cells.values() ?? [])].reduce((sum, tokens) => sum + tokens, 0)

  test.each(['before', 'after'] as const)(
    'is charged, also when the first write fails %s it was done',
    async (when) => {
      const { time, store, instance, goOffline, eventually } = limiterWorld()
      const limiter = instance()
      await limiter.take([perMinute], 1)
      await goOffline(limiter)
      let taken = 1 + (await takeTimes(limiter, perMinute, 40))
      store.isDown = false
      store.failsWrites = when
      const tryFor = async (seconds: number) => {
        for (let second = 0; second < seconds; second++) {
          await time.advance(SECOND)
          if ((await eventually(limiter.take([perMinute], 1))).kind === 'taken') taken++
        }
      }
      await tryFor(3)
      store.failsWrites = undefined
      await tryFor(5)
      await limiter.release()
      expect(await used(store)).toBeGreaterThanOrEqual(taken)
    },
  )

  test('is known to the next life of the instance on the same disk, and charged by it', async () => {
    const { time, store, instance, goOffline } = limiterWorld()
    const journal = memoryLimitJournal()
    const first = instance({ journal })
    await takeTimes(first, perMinute, 10)
    await time.advance(6 * SECOND)
    await goOffline(first)
    let taken = 10 + (await takeTimes(first, perMinute, 20))
    for (let life = 0; life < 5; life++) {
      const next = instance({ journal })
      await goOffline(next)
      taken += await takeTimes(next, perMinute, 100)
    }
    expect(taken).toBeLessThanOrEqual(90)
    store.isDown = false
    const last = instance({ journal })
    taken += await takeTimes(last, perMinute, 100)
    expect(taken).toBeLessThanOrEqual(90)
    expect(await used(store)).toBeGreaterThanOrEqual(taken)
  })

  test('and the number of instances seen bound an instance that forgot the rest', async () => {
    const { time, instance, goOffline } = limiterWorld()
    const journal = memoryLimitJournal()
    const fleet = Array.from({ length: 30 }, () => instance())
    for (const limiter of fleet) await limiter.take([perMinute], 1)
    await instance({ journal }).take([perMinute], 1)
    await time.advance(20 * MINUTE)
    const next = instance({ journal })
    await goOffline(next)
    const taken = await takeTimes(next, perMinute, 100)
    expect(taken).toBeLessThanOrEqual(Math.floor(90 / 30))
  })
})
