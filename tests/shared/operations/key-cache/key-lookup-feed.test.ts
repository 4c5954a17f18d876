import { describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { patchKey } from '../../../../shared/operations/keys/patch-key.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { makeKey } from '../../../support/requests/callers.ts'
import { knowingInstances } from '../../../support/worlds/knowing-instances.ts'

const MINUTE_MS = 60_000
const PROMISED_MS = 8000

describe('a cached key', () => {
  test('is read once and then revalidated by the feed, for 15 minutes', async () => {
    const { services, time, instance, asked } = knowingInstances()
    const { secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    for (let second = 0; second < 15 * 60 - 1; second++) {
      await time.advance(1000)
      expect((await here.find(secret, false)).ageMs).toBeLessThan(PROMISED_MS)
    }
    expect(asked.keys).toBe(1)
    await time.advance(1000)
    await here.find(secret, false)
    expect(asked.keys).toBe(2)
  })

  test('is not served by an instance that has never completed a poll: every lookup is a read', async () => {
    const { services, instance, asked, down } = knowingInstances()
    const { secret } = await makeKey(services)
    down.feed = true
    const here = instance()
    for (let lookup = 0; lookup < 3; lookup++) await here.find(secret, false)
    expect(asked.keys).toBe(3)
  })

  test('has an age that counts from the start of the last poll, or of its own read', async () => {
    const { services, time, instance } = knowingInstances()
    const { secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    await time.advance(3000)
    expect(await here.find(secret, false)).toMatchObject({ ageMs: 3000, source: 'memory' })
    await time.advance(4000)
    expect(await here.find(secret, false)).toMatchObject({ ageMs: 2000, source: 'memory' })
  })

  test('is read every 8 s while the feed fails, and served from memory in between', async () => {
    const { services, time, instance, asked, down } = knowingInstances()
    const { secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    await rest()
    down.feed = true
    for (let second = 0; second < 80; second++) {
      expect((await here.find(secret, false)).ageMs).toBeLessThan(PROMISED_MS)
      await time.advance(1000)
    }
    expect(asked.keys).toBe(10)
  })

  test('waits for no poll while the feed fails, and is revalidated within 6 s of its return', async () => {
    const { services, time, instance, asked } = knowingInstances()
    const { secret } = await makeKey(services)
    let hangs = true
    const hung: (() => void)[] = []
    const read: typeof services.feed.read = async (from, until) => {
      if (hangs) await new Promise<void>((_, reject) => hung.push(() => reject(new Error('no reply'))))
      return services.feed.read(from, until)
    }
    const here = instance(undefined, { feed: { ...services.feed, read } })
    await here.find(secret, false)
    for (const fail of hung.splice(0)) fail()
    await time.advance(9000)
    expect(await here.find(secret, false)).toMatchObject({ source: 'store', ageMs: 0 })
    for (const fail of hung.splice(0)) fail()
    hangs = false
    await time.advance(6000)
    expect(await here.find(secret, false)).toMatchObject({ source: 'memory' })
    expect(asked.keys).toBe(2)
  })

  test('is revalidated after a pause of 10 minutes by one poll, shared by all callers, before it is served', async () => {
    const { services, time, instance, asked } = knowingInstances()
    const { secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    await time.advance(14 * MINUTE_MS)
    const pollsBefore = asked.polls
    await time.advance(MINUTE_MS / 2)
    expect(asked.polls).toBe(pollsBefore)
    const found = await Promise.all(Array.from({ length: 100 }, () => here.find(secret, false)))
    expect(new Set(found.map(({ source }) => source))).toEqual(new Set(['memory']))
    expect(asked).toEqual({ keys: 1, polls: pollsBefore + 1 })
  })

  test('is invalidated with all others after more than 15 minutes without a poll, at any age', async () => {
    const { services, time, instance, down } = knowingInstances()
    const { secret } = await makeKey(services)
    const here = instance()
    down.feed = true
    here.start()
    await time.advance(16 * MINUTE_MS)
    expect(await here.find(secret, false)).toMatchObject({ source: 'store' })
    down.feed = false
    await time.advance(5000)
    expect(await here.find(secret, false)).toMatchObject({ source: 'store' })
    expect(await here.find(secret, false)).toMatchObject({ source: 'memory' })
  })
})

describe('a change that is no revocation', () => {
  test('of a key is seen everywhere within 8 s, and costs each instance one read', async () => {
    const { services, time, instance, asked } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    await rest()
    await patchKey(services, everyProvider, key.keyId, { enabled: false }, () => undefined)
    for (let second = 0; second < 60; second++) {
      await time.advance(1000)
      const { value } = await here.find(secret, false)
      if (second * 1000 >= PROMISED_MS) expect(value?.enabled).toBe(false)
    }
    expect(asked.keys).toBe(2)
  })

  test('of a provider is seen everywhere within 8 s, the first one too', async () => {
    const { time, instance, put } = knowingInstances()
    const here = instance()
    expect((await here.findProvider('acme', false)).value).toBeUndefined()
    await rest()
    await put({ status: 'disabled' })
    await time.advance(PROMISED_MS)
    expect((await here.findProvider('acme', false)).value?.status).toBe('disabled')
    await put({ status: 'active' })
    await time.advance(PROMISED_MS)
    expect((await here.findProvider('acme', false)).value?.status).toBe('active')
  })
})
