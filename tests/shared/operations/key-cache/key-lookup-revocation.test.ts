import { describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import type { Clock } from '../../../../shared/ports/runtime.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { makeKey } from '../../../support/requests/callers.ts'
import { knowingInstances, makeDisk } from '../../../support/worlds/knowing-instances.ts'

const MINUTE_MS = 60_000
const PROMISED_MS = 8000

/** The clock of a process that is stopped for a while: when it goes on, it is that much later, and no timer has run. */
function stoppable(clock: Clock) {
  let stoppedMs = 0
  const later: Clock = {
    now: () => new Date(clock.now().getTime() + stoppedMs),
    monotonicMs: () => clock.monotonicMs() + stoppedMs,
  }
  return {
    clock: later,
    stopFor: (ms: number) => {
      stoppedMs += ms
    },
  }
}

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
    const { clock, stopFor } = stoppable(time.clock)
    const here = instance(undefined, { clock })
    await here.find(secret, false)
    await rest()
    await revoke(key.keyId)
    stopFor(MINUTE_MS)
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('is not outlived by a process whose poll was under way when it was stopped: it polls again', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const { clock, stopFor } = stoppable(time.clock)
    let hangs = false
    const gate = Promise.withResolvers<never>()
    const read: typeof services.feed.read = async (from, until) =>
      hangs ? gate.promise : services.feed.read(from, until)
    const keys = { findByDigest: async () => key }
    const here = instance(undefined, { clock, keys, feed: { ...services.feed, read } })
    await here.find(secret, false)
    await rest()
    hangs = true
    await time.advance(5000)
    await revoke(key.keyId)
    stopFor(MINUTE_MS)
    hangs = false
    // Timers come before replies when a process goes on: the old poll is given up first.
    gate.reject(new Error('no reply within 1500 ms'))
    await rest()
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
      keyLookup: instance(),
    }
    await expect(writeRevocation(crashing, everyProvider, input)).rejects.toThrow('cut')
    await time.advance(60_000)
    expect((await here.find(secret, false)).value?.revocation).toBeNull()
    await writeRevocation({ ...services, keyLookup: instance() }, everyProvider, input)
    await time.advance(PROMISED_MS)
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
  })
})
