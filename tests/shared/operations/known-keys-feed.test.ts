import { describe, expect, test } from 'vitest'
import { everyProvider } from '../../../shared/domain/provider-scope.ts'
import { patchKey } from '../../../shared/operations/patch-key.ts'
import { revokeKey } from '../../../shared/operations/revoke-key.ts'
import { makeKey } from '../../support/callers.ts'
import { knowingInstances, makeDisk } from '../../support/knowing-instances.ts'
import { rest } from '../../support/manual-time.ts'

const MINUTE_MS = 60_000
const PROMISED_MS = 8000

describe('what is cached', () => {
  test('is read once and confirmed by the feed from then on, for 15 minutes', async () => {
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

  test('is not served by an instance that has never completed a poll: every look is a read', async () => {
    const { services, instance, asked, down } = knowingInstances()
    const { secret } = await makeKey(services)
    down.feed = true
    const here = instance()
    for (let look = 0; look < 3; look++) await here.find(secret, false)
    expect(asked.keys).toBe(3)
  })

  test('says how old the knowledge is: since the beginning of the last poll, or of its own read', async () => {
    const { services, time, instance } = knowingInstances()
    const { secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    await time.advance(3000)
    expect(await here.find(secret, false)).toMatchObject({ ageMs: 3000, source: 'memory' })
    await time.advance(4000)
    expect(await here.find(secret, false)).toMatchObject({ ageMs: 2000, source: 'memory' })
  })

  test('is read again every 8 s where the feed fails, and served from memory in between', async () => {
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

  test('is polled for after a pause of 10 minutes, once for all who then ask, before anything is served', async () => {
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

  test('is dropped as a whole after more than 15 minutes without a poll, however young it is', async () => {
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

describe('a revocation', () => {
  test('reaches an instance within 8 s, be the key in use there or idle', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const [busy, idle] = [await makeKey(services), await makeKey(services)]
    const here = instance()
    for (const { secret } of [busy, idle]) await here.find(secret, false)
    await time.advance(60_000)
    for (const { key } of [busy, idle]) await revoke(key.keyId)
    for (let elapsedMs = 0; elapsedMs < PROMISED_MS; elapsedMs += 100) {
      await here.find(busy.secret, false)
      await time.advance(100)
    }
    for (const { secret } of [busy, idle]) {
      expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
    }
  })

  test('is not outlived by a process that was stopped for a minute: it polls before it serves', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const { key, secret } = await makeKey(services)
    let stoppedMs = 0
    const clock = {
      now: () => new Date(time.clock.now().getTime() + stoppedMs),
      monotonicMs: () => time.clock.monotonicMs() + stoppedMs,
    }
    const here = instance(undefined, { clock })
    await here.find(secret, false)
    await rest()
    await revoke(key.keyId)
    stoppedMs = MINUTE_MS
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('is not outlived by a machine that was suspended, whose monotonic clock stood still', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const { key, secret } = await makeKey(services)
    let suspendedMs = 0
    const clock = { ...time.clock, now: () => new Date(time.clock.now().getTime() + suspendedMs) }
    const here = instance(undefined, { clock })
    await here.find(secret, false)
    await rest()
    await revoke(key.keyId)
    suspendedMs = MINUTE_MS
    await time.advance(1)
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('is seen also where it shows 25 s late: the writer stalled, or its clock is behind', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    await time.advance(MINUTE_MS)
    const { append } = services.feed
    services.feed.append = (change, at) => append(change, new Date(at.getTime() - 25_000))
    await revoke(key.keyId)
    await time.advance(PROMISED_MS)
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('sticks: a store that says otherwise later does not revive the key, not even after a restart', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const disk = makeDisk()
    const here = instance(disk)
    await here.find(secret, false)
    await rest()
    const revoked = await revoke(key.keyId)
    // The feed is not looked back on further than that.
    await time.advance(MINUTE_MS)
    const version = (await services.keys.findById(everyProvider, key.keyId))?.version ?? ''
    await services.keys.replace(key, version)
    for (const one of [here, instance(disk)]) {
      expect((await one.find(secret, true)).value?.revocation).toEqual(revoked.revocation)
    }
    expect((await instance().find(secret, true)).value?.revocation).toBeNull()
  })

  test('of which only the feed knows is enough: the key is refused although the store shows it as it was', async () => {
    const { services, time, instance } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    await rest()
    const revocation = { at: services.clock.now(), by: 'admin', reason: 'policy', text: null } as const
    const { digest, keyId, providerId } = key
    await services.feed.append({ kind: 'key', digest, keyId, providerId, revocation }, services.clock.now())
    await time.advance(5000)
    expect((await here.find(secret, false)).value?.revocation).toEqual(revocation)
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

describe('a change whose feed cannot be written', () => {
  test('is not answered: the caller is told to try again, and the second try tells everybody', async () => {
    const { services, time, instance } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const here = instance()
    await here.find(secret, false)
    await rest()
    const input = { keyId: key.keyId, reason: 'policy', text: null, replacedBy: null, by: 'admin' } as const
    const crashing = {
      ...services,
      feed: { ...services.feed, append: () => Promise.reject(new Error('cut')) },
      knownKeys: instance(),
    }
    await expect(revokeKey(crashing, everyProvider, input)).rejects.toThrow('cut')
    await time.advance(60_000)
    expect((await here.find(secret, false)).value?.revocation).toBeNull()
    await revokeKey({ ...services, knownKeys: instance() }, everyProvider, input)
    await time.advance(PROMISED_MS)
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
  })
})
