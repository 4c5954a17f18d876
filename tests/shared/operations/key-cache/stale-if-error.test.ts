import { expect, test } from 'vitest'
import { makeKey } from '../../../support/requests/callers.ts'
import { knowingInstances, makeDisk } from '../../../support/worlds/knowing-instances.ts'

const unavailable = { code: 'store_unavailable' }

/** Two caches of one instance's keys, in memory and after a restart, with this bound; the store is down. */
async function cutOff(staleIfErrorMs: number) {
  const world = knowingInstances()
  const { services, time, instance, outage } = world
  const { key, secret } = await makeKey(services)
  const disk = makeDisk()
  const here = instance(disk, { staleIfErrorMs })
  await here.find(secret, false)
  await here.findProvider('acme', false)
  await time.advance(6000)
  outage(true)
  const ageMs = (await here.find(secret, false)).ageMs
  return { ...world, key, secret, ageMs, instances: [here, instance(disk, { staleIfErrorMs })] }
}

test.each([10_000, 60_000, 3_600_000])(
  'a known key and its provider are served for %d ms since they were confirmed, and not a millisecond longer',
  async (staleIfErrorMs) => {
    const { secret, ageMs, instances, time } = await cutOff(staleIfErrorMs)
    await time.advance(staleIfErrorMs - ageMs)
    for (const one of instances) {
      expect(await one.find(secret, false)).toMatchObject({ degraded: true, ageMs: staleIfErrorMs })
      expect(await one.findProvider('acme', false)).toMatchObject({ degraded: true })
    }
    await time.advance(1)
    for (const one of instances) {
      await expect(one.find(secret, false)).rejects.toMatchObject(unavailable)
      await expect(one.findProvider('acme', false)).rejects.toMatchObject(unavailable)
    }
  },
)

test('with 0, no key is served that cannot be confirmed; a revoked one is refused all the same', async () => {
  const { key, secret, instances, time } = await cutOff(0)
  await time.advance(8000)
  for (const one of instances) {
    await expect(one.find(secret, false)).rejects.toMatchObject(unavailable)
    await expect(one.findProvider('acme', false)).rejects.toMatchObject(unavailable)
    one.revokeHere({ ...key, revocation: { at: new Date(0), by: 'admin', reason: 'policy', text: null } })
    expect((await one.find(secret, false)).value?.revocation).not.toBeNull()
  }
})
