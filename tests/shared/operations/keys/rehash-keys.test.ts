import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { keyDigests } from '../../../../shared/operations/key-digests.ts'
import { rehashKeys } from '../../../../shared/operations/keys/rehash-keys.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { type HeldKey, makeKey } from '../../../support/requests/callers.ts'
import { keyLookupElsewhere } from '../../../support/worlds/key-lookup-elsewhere.ts'

type P = { readonly version: string; readonly bytes: Uint8Array; readonly acceptOnly?: boolean }
const pepper = (version: string): P => ({ version, bytes: randomBytes(32) })
const [p1, p2, p3] = [pepper('p1'), pepper('p2'), pepper('p3')]
const acceptOnly = (pepper: P) => ({ ...pepper, acceptOnly: true })

let services: FakeServices
let held: HeldKey

const instance = (...peppers: P[]) => keyLookupElsewhere(services, { digests: keyDigests(peppers) })
const stored = async (keyId = held.key.keyId) => (await services.keys.findById(everyProvider, keyId))?.value

async function use(lookup: ReturnType<typeof instance>, secret = held.secret) {
  const { value } = await lookup.find(secret, true)
  await rest()
  return value
}

const revoke = () =>
  writeRevocation(services, everyProvider, {
    ...{ keyId: held.key.keyId, reason: 'policy', text: null, replacedBy: null, by: 'admin' },
  })

beforeEach(async () => {
  const fakes = fakeServices()
  services = { ...fakes, digests: keyDigests([p1]) }
  held = await makeKey(services)
})

describe('a key of an older pepper', () => {
  test('is rehashed by its use: found by the newest pepper alone from then on, in the same row', async () => {
    expect(await use(instance(p2, p1))).toMatchObject({ keyId: held.key.keyId, pepperVersion: 'p1' })
    expect(await stored()).toEqual({
      ...held.key,
      pepperVersion: 'p2',
      alias: keyDigests([p2]).make(held.secret).digest,
    })
    expect(await use(instance(p2))).toEqual(await stored())
    expect(await use(instance(p1))).toEqual(await stored())
  })

  test('is rehashed under one pepper after the other', async () => {
    await use(instance(p2, p1))
    await use(instance(p3, p2))
    expect(await use(instance(p3))).toMatchObject({ keyId: held.key.keyId, pepperVersion: 'p3' })
  })

  test('stays as it is while the newer pepper is accepted only, and is found by instances of both phases', async () => {
    const first = instance(acceptOnly(p2), p1)
    await use(first)
    expect(await stored()).toEqual(held.key)
    await use(instance(p2, p1))
    const rehashed = await stored()
    expect(rehashed?.pepperVersion).toBe('p2')
    // An instance of the first phase neither loses the key nor takes it back to the older pepper.
    expect(await use(first)).toEqual(rehashed)
    expect(await stored()).toEqual(rehashed)
  })

  test('is not taken back and forth by instances of two rotations', async () => {
    await use(instance(p2, p1))
    await use(instance(p3, p2, p1))
    const rehashed = await stored()
    for (const lookup of [instance(acceptOnly(p3), p2, p1), instance(acceptOnly(p3), p2), instance(p3, p2)]) {
      expect(await use(lookup)).toEqual(rehashed)
    }
    expect(await stored()).toEqual(rehashed)
  })

  test('gets its alias again where a version that knows none dropped it', async () => {
    await use(instance(p2, p1))
    const found = await services.keys.findById(everyProvider, held.key.keyId)
    const { alias: _, ...without } = found?.value ?? held.key
    await services.keys.replace(without, found?.version ?? '')
    await use(instance(p2, p1))
    expect(await use(instance(p2))).toMatchObject({ keyId: held.key.keyId })
  })

  test('made by an instance that is a phase ahead is found by those behind it', async () => {
    const ahead = await makeKey({ ...services, digests: keyDigests([p2, p1]) })
    expect(await use(instance(acceptOnly(p2), p1), ahead.secret)).toEqual(ahead.key)
    expect(await stored(ahead.key.keyId)).toEqual(ahead.key)
  })
})

describe('a revocation', () => {
  test('before the rehash stays in force, under both peppers', async () => {
    await revoke()
    await use(instance(p2, p1))
    for (const lookup of [instance(p1), instance(p2), instance(p2, p1)]) {
      expect((await use(lookup))?.revocation).not.toBeNull()
    }
  })

  test('that races with the rehash is never undone: at every step of it', async () => {
    for (const step of ['findById', 'addAlias', 'replace'] as const) {
      held = await makeKey(services)
      const keys = {
        ...services.keys,
        async [step](...args: [never, never]) {
          await revoke()
          return services.keys[step](...args)
        },
      }
      rehashKeys({ ...services, keys })(held.key, keyDigests([p2]).make(held.secret))
      await rest()
      for (const lookup of [instance(p1), instance(p2, p1)]) {
        expect((await use(lookup))?.revocation?.reason).toBe('policy')
      }
    }
  })

  test('after the rehash reaches an instance that cached the key before it, by the feed', async () => {
    const cached = instance(p1)
    await cached.find(held.secret, false)
    await use(instance(p2, p1))
    await revoke()
    await services.time.advance(10_000)
    expect((await cached.find(held.secret, false)).value?.revocation).not.toBeNull()
  })
})

describe('rehashing', () => {
  test('delays no lookup, and does one key at a time, each once', async () => {
    const others = await Promise.all(Array.from({ length: 20 }, () => makeKey(services)))
    let [inFlight, most, reads] = [0, 0, 0]
    const gate = Promise.withResolvers<void>()
    const keys = {
      ...services.keys,
      async findById(...args: Parameters<typeof services.keys.findById>) {
        reads++
        most = Math.max(most, ++inFlight)
        await gate.promise
        inFlight--
        return services.keys.findById(...args)
      },
    }
    const digests = keyDigests([p2, p1])
    const lookup = keyLookupElsewhere(services, { digests, rehash: rehashKeys({ ...services, keys }) })
    for (let times = 0; times < 3; times++) {
      for (const { secret } of others) expect((await lookup.find(secret, true)).value).toBeDefined()
    }
    gate.resolve()
    await rest()
    await rest()
    expect([most, reads]).toEqual([1, others.length])
    for (const { secret } of others) expect(await use(instance(p2), secret)).toBeDefined()
  })

  test('that fails changes nothing, is logged, and is tried again by the next use', async () => {
    const logged: string[] = []
    const log = (_: string, message: string) => void logged.push(message)
    const keys = { ...services.keys, addAlias: () => Promise.reject(new Error('down')) }
    rehashKeys({ ...services, keys, log })(held.key, keyDigests([p2]).make(held.secret))
    await rest()
    expect(logged).toEqual(['A key could not be rehashed: its next use tries again.'])
    expect(await use(instance(p2, p1))).toEqual(held.key)
    expect(await use(instance(p2))).toBeDefined()
  })
})
