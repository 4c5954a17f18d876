import { describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import type { Clock } from '../../../../shared/ports/runtime.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { makeKey } from '../../../support/requests/callers.ts'
import { knowingInstances, makeDisk } from '../../../support/worlds/knowing-instances.ts'

const MINUTE_MS = 60_000
const PROMISED_MS = 8000

/** The clock of a process that is suspended: on resume the time has jumped, and no timer has run. */
function suspendable(clock: Clock) {
  let suspendedMs = 0
  const jumping: Clock = {
    now: () => new Date(clock.now().getTime() + suspendedMs),
    monotonicMs: () => clock.monotonicMs() + suspendedMs,
  }
  return {
    clock: jumping,
    suspendFor: (ms: number) => {
      suspendedMs += ms
    },
  }
}

describe('a revocation', () => {
  test('reaches an instance within 8 s, whether the key is in use there or idle', async () => {
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

  test('is seen by a process that was suspended for a minute: it polls before it serves', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const { clock, suspendFor } = suspendable(time.clock)
    const here = instance(undefined, { clock })
    await here.find(secret, false)
    await rest()
    await revoke(key.keyId)
    suspendFor(MINUTE_MS)
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('is seen by a process that was suspended during a poll: it polls again', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const { clock, suspendFor } = suspendable(time.clock)
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
    suspendFor(MINUTE_MS)
    hangs = false
    // On resume timers run before replies: the old poll times out first.
    gate.reject(new Error('no reply within 1500 ms'))
    await rest()
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('is seen by a machine that was suspended, whose monotonic clock stood still', async () => {
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

  test('is final: a store that later shows an older state does not revive the key, not even after a restart', async () => {
    const { services, time, instance, revoke } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const disk = makeDisk()
    const here = instance(disk)
    await here.find(secret, false)
    await rest()
    const revoked = await revoke(key.keyId)
    // Longer than the overlap of two polls.
    await time.advance(MINUTE_MS)
    const version = (await services.keys.findById(everyProvider, key.keyId))?.version ?? ''
    await services.keys.replace(key, version)
    for (const one of [here, instance(disk)]) {
      expect((await one.find(secret, true)).value?.revocation).toEqual(revoked.revocation)
    }
    expect((await instance().find(secret, true)).value?.revocation).toBeNull()
  })

  test('that only the feed has is enough: the key is refused although its row shows no revocation', async () => {
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

describe('a change that cannot be appended to the feed', () => {
  test('fails: the caller has to retry, and the retry publishes it', async () => {
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
