import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { generateSecret } from '../../../../shared/domain/keys/key-format.ts'
import { keyDigests } from '../../../../shared/operations/key-digests.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import type { KeyStore } from '../../../../shared/ports/keys.ts'
import { fakeServices } from '../../../support/memory/fake-services.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { makeKey } from '../../../support/requests/callers.ts'
import { keyLookupElsewhere } from '../../../support/worlds/key-lookup-elsewhere.ts'

function underTest() {
  let reads = 0
  const services = fakeServices(({ keys }) => ({
    keys: {
      ...keys,
      findByDigest: (scope, digest) => {
        reads++
        return keys.findByDigest(scope, digest)
      },
    },
  }))
  const revoke = (keyId: string) =>
    writeRevocation(services, everyProvider, { keyId, reason: 'policy', text: null, replacedBy: null, by: 'admin' })
  return { services, revoke, reads: () => reads }
}

describe('a key', () => {
  test('is read from the store once for 1,000 concurrent first lookups', async () => {
    const { services, reads } = underTest()
    const { key, secret } = await makeKey(services)
    const found = await Promise.all(Array.from({ length: 1000 }, () => services.keyLookup.find(secret, false)))
    expect(new Set(found.map(({ value }) => value?.keyId))).toEqual(new Set([key.keyId]))
    expect(reads()).toBe(1)
  })

  test('is found synchronously, once it is cached', async () => {
    const { services } = underTest()
    const { secret } = await makeKey(services)
    await services.keyLookup.find(secret, false)
    expect(services.keyLookup.find(secret, false)).not.toBeInstanceOf(Promise)
  })

  test('counts as cached from its first lookup on, at any age, and an unknown key never does', async () => {
    const { services, reads } = underTest()
    const { secret } = await makeKey(services)
    const unknown = generateSecret('live', randomBytes)
    expect(services.keyLookup.holds(secret)).toBe(false)
    for (const one of [secret, unknown]) await services.keyLookup.find(one, false)
    await services.time.advance(3_600_000)
    const readBefore = reads()
    expect([secret, unknown].map((one) => services.keyLookup.holds(one))).toEqual([true, false])
    expect(reads()).toBe(readBefore)
  })

  test('that is unknown is read once in 5 s', async () => {
    const { services, reads } = underTest()
    const stranger = generateSecret('live', randomBytes)
    for (let index = 0; index < 100; index++) {
      expect((await services.keyLookup.find(stranger, false)).value).toBeUndefined()
    }
    expect(reads()).toBe(1)
    await services.time.advance(5000)
    await services.keyLookup.find(stranger, false)
    expect(reads()).toBe(2)
  })

  test('is read from the store by every lookup that bypasses the cache', async () => {
    const { services, reads } = underTest()
    const { secret } = await makeKey(services)
    for (let index = 0; index < 3; index++) await services.keyLookup.find(secret, true)
    expect(reads()).toBe(3)
  })

  test('of an older pepper is still found, and a new one is made under the newest', async () => {
    const { services } = underTest()
    const { key, secret } = await makeKey(services)
    const peppers = [
      { version: 'p2', bytes: randomBytes(32) },
      { version: 'p1', bytes: randomBytes(32) },
    ]
    const [newest, older] = peppers
    if (newest === undefined || older === undefined) throw new Error('two peppers')
    const underOlder = keyDigests([older]).make(secret)
    await services.keys.create({ ...key, ...underOlder, keyId: services.random.id() })
    const rotated = keyLookupElsewhere(services, { digests: keyDigests(peppers), rehash: () => undefined })
    expect((await rotated.find(secret, false)).value?.digest).toBe(underOlder.digest)
    const unpeppered = keyLookupElsewhere(services, { digests: keyDigests([newest]) })
    expect((await unpeppered.find(secret, false)).value).toBeUndefined()
  })

  test('is not found when the store answers with another key', async () => {
    const { services } = underTest()
    const { key } = await makeKey(services)
    const confused: KeyStore = { ...services.keys, findByDigest: async () => key }
    const lookup = keyLookupElsewhere(services, { keys: confused })
    expect((await lookup.find(generateSecret('live', randomBytes), false)).value).toBeUndefined()
  })
})

describe('a revoked key', () => {
  test('is refused by the instance that revoked it from the next lookup on', async () => {
    const { services, revoke } = underTest()
    const { key, secret } = await makeKey(services)
    await services.keyLookup.find(secret, false)
    await revoke(key.keyId)
    expect((await services.keyLookup.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('is refused by the instance that revoked it even when a read of it was in flight', async () => {
    const gate = Promise.withResolvers<void>()
    const services = fakeServices(({ keys }) => ({
      keys: {
        ...keys,
        findByDigest: async (scope, digest) => {
          const found = await keys.findByDigest(scope, digest)
          await gate.promise
          return found
        },
      },
    }))
    const { key, secret } = await makeKey(services)
    const early = services.keyLookup.find(secret, false)
    await rest()
    await writeRevocation(services, oneProvider('acme'), {
      ...{ keyId: key.keyId, reason: 'policy', text: null, replacedBy: null, by: 'admin' },
    })
    const late = services.keyLookup.find(secret, false)
    gate.resolve()
    expect((await late).value?.revocation).not.toBeNull()
    expect((await early).value?.revocation).not.toBeNull()
  })

  test('is refused even when the response of the store to the revocation was lost', async () => {
    const services = fakeServices(({ keys }) => ({
      keys: {
        ...keys,
        replace: async (key, version) => {
          await keys.replace(key, version)
          throw new Error('the reply was lost')
        },
      },
    }))
    const { key, secret } = await makeKey(services)
    await services.keyLookup.find(secret, false)
    const input = { keyId: key.keyId, reason: 'policy' as const, text: null, replacedBy: null, by: 'admin' }
    await expect(writeRevocation(services, everyProvider, input)).rejects.toThrow('lost')
    expect((await services.keyLookup.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('is refused within 8 s by every other instance, however often it is looked up there', async () => {
    const { services, revoke } = underTest()
    const { key, secret } = await makeKey(services)
    const elsewhere = keyLookupElsewhere(services)
    await elsewhere.find(secret, false)
    await revoke(key.keyId)
    for (let elapsedMs = 0; elapsedMs < 8000; elapsedMs += 500) {
      await elsewhere.find(secret, false)
      await services.time.advance(500)
    }
    expect((await elsewhere.find(secret, false)).value?.revocation).not.toBeNull()
  })

  test('is refused at once on every instance by a lookup that bypasses the cache', async () => {
    const { services, revoke } = underTest()
    const { key, secret } = await makeKey(services)
    const elsewhere = keyLookupElsewhere(services)
    await elsewhere.find(secret, false)
    await revoke(key.keyId)
    expect((await elsewhere.find(secret, true)).value?.revocation).not.toBeNull()
  })
})

test('a provider without a row is cached as absent, and found by a lookup that bypasses the cache once it is put', async () => {
  const { services } = underTest()
  expect((await services.keyLookup.findProvider('acme', false)).value).toBeUndefined()
  const provider = {
    ...{ providerId: 'acme', name: null, status: 'disabled' as const, failMode: 'open' as const, rateLimits: [] },
    quotas: { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null },
    ...{ createdAt: services.clock.now(), updatedAt: services.clock.now(), updatedBy: 'admin', lineage: null },
  }
  await services.providers.put(oneProvider('acme'), provider, null)
  expect((await services.keyLookup.findProvider('acme', true)).value?.status).toBe('disabled')
})
