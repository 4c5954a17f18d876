import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import { generateSecret } from '../../../../shared/domain/keys/key-format.ts'
import { patchKey } from '../../../../shared/operations/keys/patch-key.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { makeKey } from '../../../support/requests/callers.ts'
import { knowingInstances, makeDisk } from '../../../support/worlds/knowing-instances.ts'

const MINUTE_MS = 60_000
const unavailable = { code: 'store_unavailable' }
const refusedHere = new AppError('overloaded', 'Too many requests are under way.')

/** An instance that has cached a key and its provider and has polled since; its store is about to go down. */
async function keyAndOutage(options: { readonly disk?: boolean; readonly failMode?: 'open' | 'closed' } = {}) {
  const world = knowingInstances()
  const { services, time, instance, put } = world
  if (options.failMode !== undefined) await put({ failMode: options.failMode })
  const { key, secret } = await makeKey(services)
  const disk = options.disk === true ? makeDisk() : undefined
  const here = instance(disk)
  await here.find(secret, false)
  await here.findProvider('acme', false)
  await time.advance(6000)
  return { ...world, ...{ key, secret, disk, here } }
}

describe('while the store is down', () => {
  test('a cached key and its provider are served stale for 15 minutes, marked, with their age; then nothing', async () => {
    const { secret, here, outage, time } = await keyAndOutage()
    outage(true)
    await time.advance(9000)
    expect(await here.find(secret, false)).toMatchObject({ degraded: true, source: 'stale', ageMs: 10_000 })
    expect(await here.findProvider('acme', false)).toMatchObject({ degraded: true, value: undefined })
    await time.advance(15 * MINUTE_MS - 10_000)
    expect(await here.find(secret, false)).toMatchObject({ degraded: true, ageMs: 15 * MINUTE_MS })
    await time.advance(1)
    await expect(here.find(secret, false)).rejects.toMatchObject(unavailable)
    await expect(here.findProvider('acme', false)).rejects.toMatchObject(unavailable)
  })

  test('a cached key is served stale where its lookup is refused here, since slow failures fill the lane', async () => {
    const { secret, here, down, time } = await keyAndOutage()
    down.feed = true
    down.full = true
    await time.advance(9000)
    expect(await here.find(secret, false)).toMatchObject({ degraded: true, source: 'stale' })
  })

  test('a lookup that is refused here while the feed answers serves nothing stale: the store is up', async () => {
    const { services, down, instance, time } = await keyAndOutage()
    const { secret } = await makeKey(services)
    const here = instance(undefined, { feed: { ...services.feed, read: () => Promise.reject(refusedHere) } })
    await here.find(secret, false)
    down.full = true
    await time.advance(9000)
    await expect(here.find(secret, false)).rejects.toMatchObject({ code: 'overloaded' })
  })

  test('a key that is not cached is unavailable, and so is a negative entry', async () => {
    const { services, here, outage, time } = await keyAndOutage()
    const unseen = await makeKey(services)
    const none = generateSecret('live', randomBytes)
    expect((await here.find(none, false)).value).toBeUndefined()
    outage(true)
    await time.advance(5000)
    for (const secret of [unseen.secret, none])
      await expect(here.find(secret, false)).rejects.toMatchObject(unavailable)
  })

  test('a lookup that bypasses the cache is unavailable', async () => {
    const { secret, here, outage } = await keyAndOutage()
    outage(true)
    await expect(here.find(secret, true)).rejects.toMatchObject(unavailable)
  })

  test('an error that is no outage is not hidden', async () => {
    const { services, instance, time } = knowingInstances()
    const { secret } = await makeKey(services)
    let broken = false
    const findByDigest: typeof services.keys.findByDigest = (scope, digest) =>
      broken ? Promise.reject(new TypeError('a bug')) : services.keys.findByDigest(scope, digest)
    const here = instance(undefined, { keys: { findByDigest } })
    await here.find(secret, false)
    broken = true
    await time.advance(15 * MINUTE_MS)
    await expect(here.find(secret, false)).rejects.toThrow('a bug')
  })

  test('no stale entry of a provider that fails closed is served', async () => {
    const { secret, here, outage, time } = await keyAndOutage({ failMode: 'closed', disk: true })
    outage(true)
    expect(await here.find(secret, false)).toMatchObject({ degraded: false })
    await time.advance(9000)
    await expect(here.find(secret, false)).rejects.toMatchObject(unavailable)
    await expect(here.findProvider('acme', false)).rejects.toMatchObject(unavailable)
  })

  test('an invalidated key is unavailable: its cached state is no longer right', async () => {
    const { services, key, secret, here, down, time } = await keyAndOutage({ disk: true })
    await patchKey(services, everyProvider, key.keyId, { enabled: false }, () => undefined)
    down.rows = true
    // From the poll on, before and after the write to the disk.
    for (const ms of [4000, 500, 1500]) {
      await time.advance(ms)
      await expect(here.find(secret, false)).rejects.toMatchObject(unavailable)
    }
  })

  test('a revoked key is refused at any age of its entry: revoked here or by the feed', async () => {
    const { services, key, secret, here, instance, down, outage, revoke, time } = await keyAndOutage()
    const there = instance()
    await there.find(secret, false)
    await rest()
    const at = services.clock.now()
    here.revokeHere({ ...key, revocation: { at, by: 'admin', reason: 'policy', text: null } })
    expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
    await revoke(key.keyId)
    down.rows = true
    await time.advance(6000)
    outage(true)
    await time.advance(60 * MINUTE_MS)
    for (const one of [here, there]) {
      expect(await one.find(secret, false)).toMatchObject({ degraded: true, value: { revocation: { by: 'admin' } } })
    }
  })

  test('a cached key is found by its id', async () => {
    const { services, key, here, instance, disk, outage, time } = await keyAndOutage({ disk: true })
    const unseen = await makeKey(services)
    outage(true)
    await time.advance(60 * MINUTE_MS)
    expect(here.recall(key.keyId)).toEqual(key)
    expect(instance(disk).recall(key.keyId)).toEqual(key)
    expect(instance().recall(key.keyId)).toBeUndefined()
    expect(here.recall(unseen.key.keyId)).toBeUndefined()
  })
})

describe('an instance that starts while the store is down', () => {
  test('serves its replica, marked, for 15 minutes after its last poll of the feed', async () => {
    const { key, secret, disk, instance, outage, time } = await keyAndOutage({ disk: true })
    outage(true)
    await time.advance(5 * MINUTE_MS)
    const again = instance(disk)
    expect(await again.find(secret, false)).toMatchObject({ value: key, degraded: true, source: 'replica' })
    expect(await again.findProvider('acme', false)).toMatchObject({ degraded: true, value: undefined })
    await time.advance(11 * MINUTE_MS)
    await expect(again.find(secret, false)).rejects.toMatchObject(unavailable)
  })

  test('refuses every key that it saw revoked, and serves no invalidated key', async () => {
    const { services, key, secret, disk, here, instance, outage, revoke, time } = await keyAndOutage({ disk: true })
    const changed = await makeKey(services)
    await here.find(changed.secret, false)
    await time.advance(2000)
    await revoke(key.keyId)
    await patchKey(services, everyProvider, changed.key.keyId, { enabled: false }, () => undefined)
    await time.advance(7000)
    outage(true)
    const again = instance(disk)
    expect((await again.find(secret, false)).value?.revocation).not.toBeNull()
    await expect(again.find(changed.secret, false)).rejects.toMatchObject(unavailable)
  })

  test('polls the feed from the watermark of its replica: a revocation during its downtime is in force', async () => {
    const { key, secret, disk, here, instance, down, revoke, time } = await keyAndOutage({ disk: true })
    await here.stop()
    await revoke(key.keyId)
    await time.advance(5 * MINUTE_MS)
    down.rows = true
    const again = instance(disk)
    again.start()
    await rest()
    expect((await again.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('invalidates its replica after more than 15 minutes of downtime, since no poll can revalidate it', async () => {
    const { secret, disk, here, instance, down, time } = await keyAndOutage({ disk: true })
    await here.stop()
    await time.advance(16 * MINUTE_MS)
    down.rows = true
    const again = instance(disk)
    again.start()
    await time.advance(5000)
    await expect(again.find(secret, false)).rejects.toMatchObject(unavailable)
    expect(again.status().replicaKeys).toBe(0)
  })

  test('works without a disk that fails', async () => {
    const { services, secret, here, disk, outage, time } = await keyAndOutage({ disk: true })
    const { secret: unseen } = await makeKey(services)
    disk?.close()
    await time.advance(MINUTE_MS)
    expect(await here.find(secret, false)).toMatchObject({ degraded: false })
    outage(true)
    await expect(here.find(unseen, false)).rejects.toMatchObject(unavailable)
  })
})
