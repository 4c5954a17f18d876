import { describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import type { Clock } from '../../../../shared/ports/runtime.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { makeKey } from '../../../support/requests/callers.ts'
import { seededRandom } from '../../../support/samples/random.ts'
import { knowingInstances, makeDisk } from '../../../support/worlds/knowing-instances.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const PROMISED_MS = 8000

/** A machine whose wall clock is off by `offMs`. */
function skewed(clock: Clock, offMs: number): Clock {
  return { now: () => new Date(clock.now().getTime() + offMs), monotonicMs: clock.monotonicMs }
}

const revocationOf = (keyId: string) =>
  ({ keyId, reason: 'compromised', text: null, replacedBy: null, by: 'admin' }) as const

describe.each([-24 * HOUR_MS, -HOUR_MS, -MINUTE_MS, -45_000, 0, MINUTE_MS, HOUR_MS, 24 * HOUR_MS])(
  'a revocation by a writer whose clock is %d ms off',
  (writerOffMs) => {
    test.each([-24 * HOUR_MS, -HOUR_MS, -MINUTE_MS, 0, MINUTE_MS, HOUR_MS, 24 * HOUR_MS])(
      'is in force within 8 s on an instance whose clock is %d ms off',
      async (readerOffMs) => {
        const { services, time, instance } = knowingInstances()
        const { key, secret } = await makeKey(services)
        const here = instance(undefined, { clock: skewed(time.clock, readerOffMs) })
        const writer = { ...services, clock: skewed(time.clock, writerOffMs), keyLookup: instance() }
        await here.find(secret, false)
        await time.advance(61_000)
        expect((await here.find(secret, false)).value?.revocation).toBeNull()
        await writeRevocation(writer, everyProvider, revocationOf(key.keyId))
        await time.advance(PROMISED_MS)
        expect((await here.find(secret, false)).value?.revocation).not.toBeNull()
      },
    )
  },
)

test('writers and instances with clocks up to a minute off, in any order of calls: in force everywhere within 8 s', async () => {
  const random = seededRandom(20_261_125)
  const off = () => Math.round((random() - 0.5) * 2 * MINUTE_MS)
  const { services, time, instance } = knowingInstances()
  const readers = Array.from({ length: 5 }, () => instance(undefined, { clock: skewed(time.clock, off()) }))
  const writers = Array.from({ length: 5 }, () => ({
    ...services,
    clock: skewed(time.clock, off()),
    keyLookup: instance(),
  }))
  for (let round = 0; round < 60; round++) {
    const { key, secret } = await makeKey(services)
    for (const reader of readers) if (random() < 0.8) await reader.find(secret, false)
    await time.advance(Math.floor(random() * 20_000))
    const writer = writers[Math.floor(random() * writers.length)] ?? services
    await writeRevocation(writer, everyProvider, revocationOf(key.keyId))
    await time.advance(PROMISED_MS)
    for (const reader of readers) expect((await reader.find(secret, false)).value?.revocation).not.toBeNull()
  }
})

test.each([-10 * MINUTE_MS, 10 * MINUTE_MS])(
  'a restart on a machine whose clock was set by %d ms meanwhile: a revocation during the downtime is in force',
  async (setByMs) => {
    const { services, time, instance, down } = knowingInstances()
    const { key, secret } = await makeKey(services)
    const disk = makeDisk()
    const before = instance(disk, { clock: skewed(time.clock, setByMs) })
    await before.find(secret, false)
    await time.advance(10_000)
    await before.stop()
    await time.advance(MINUTE_MS)
    await writeRevocation({ ...services, keyLookup: instance() }, everyProvider, revocationOf(key.keyId))
    await time.advance(11 * MINUTE_MS)
    const again = instance(disk)
    again.start()
    await rest()
    down.rows = true
    const [found] = await Promise.allSettled([again.find(secret, false)])
    const isValid = found.status === 'fulfilled' && found.value.value?.revocation === null
    expect(isValid).toBe(false)
  },
)
