import { beforeEach, describe, expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import { keyDigests } from '../../../../shared/operations/key-digests.ts'
import { eraseKey } from '../../../../shared/operations/keys/erase-key.ts'
import { patchKey } from '../../../../shared/operations/keys/patch-key.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import { eraseUsage } from '../../../../shared/operations/usage/erase-usage.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { type HeldKey, makeKey } from '../../../support/requests/callers.ts'

const texts = {
  ...{ name: 'Phone of Ann', description: 'Ann at home', ownerId: 'ann@example.com' },
  ...{ metadata: { mail: 'ann@example.com' }, ipRestrictions: ['192.0.2.7'] },
}

let services: FakeServices
beforeEach(() => {
  services = fakeServices()
})

const revoke = (keyId: string, by = services) =>
  writeRevocation(by, everyProvider, {
    keyId,
    reason: 'compromised',
    text: 'Ann lost it',
    replacedBy: null,
    by: 'admin',
  })

async function makeRevoked(change = {}): Promise<HeldKey> {
  const held = await makeKey(services, { ...texts, ...change })
  await revoke(held.key.keyId)
  return held
}

const erase = (keyId: string) => eraseKey(services, everyProvider, keyId)
const stored = async (keyId: string) => (await services.keys.findById(everyProvider, keyId))?.value

describe('erasing a key', () => {
  test('takes away every text about a person, and leaves the rest as it is, revoked', async () => {
    const { key } = await makeRevoked({ scopes: ['orders:read'], quota: { limit: 5, period: 'day' } })
    const before = await stored(key.keyId)
    await services.time.advance(1000)
    const at = services.clock.now()
    const erased = await erase(key.keyId)
    expect(erased).toEqual({
      ...before,
      ...{ name: 'erased', description: null, metadata: null, ipRestrictions: [] },
      ownerId: expect.stringMatching(/^erased-[0-9a-f]{32}$/),
      revocation: { ...before?.revocation, text: null },
      ...{ erasedAt: at, updatedAt: at },
    })
    expect(await stored(key.keyId)).toEqual(erased)
    expect(JSON.stringify([erased, services.erasures.held()])).not.toMatch(/ann|192\.0\.2/i)
  })

  test('again changes nothing, and has the usage data erased again', async () => {
    const { key } = await makeRevoked()
    const first = await erase(key.keyId)
    await eraseUsage({ ...services, ...services.erasing }, 60)
    await services.time.advance(3_600_000)
    await eraseUsage({ ...services, ...services.erasing }, 60)
    expect(services.erasures.held()).toEqual([])
    expect(await erase(key.keyId)).toEqual(first)
    expect(services.erasures.held()).toHaveLength(1)
  })

  test('is refused for a key that is not revoked, and nothing is begun', async () => {
    const { key } = await makeKey(services, texts)
    await expect(erase(key.keyId)).rejects.toMatchObject({ code: 'key_not_revoked' })
    expect(await stored(key.keyId)).toEqual(key)
    expect(services.erasures.held()).toEqual([])
  })

  test('of another provider’s key finds none', async () => {
    const { key } = await makeRevoked()
    const before = await stored(key.keyId)
    await expect(eraseKey(services, oneProvider('zeta'), key.keyId)).rejects.toMatchObject({ code: 'key_not_found' })
    expect(await stored(key.keyId)).toEqual(before)
    expect(services.erasures.held()).toEqual([])
  })

  test('tells every instance to drop it, without its texts', async () => {
    const { key } = await makeRevoked()
    await erase(key.keyId)
    const { changes } = await services.feed.read(new Date(0), new Date('2027-01-01'))
    expect(changes.at(-1)?.change).toMatchObject({ keyId: key.keyId, erased: true, revocation: { text: null } })
    expect(JSON.stringify(changes)).not.toContain('Ann')
  })

  test('that the store fails in the middle of is completed in the background', async () => {
    const { key } = await makeRevoked()
    const failing = {
      ...services,
      ending: {
        ...services.ending,
        keys: {
          ...services.keys,
          replace: () => Promise.reject(new AppError('store_unavailable', 'The store does not answer.')),
        },
      },
    }
    await expect(eraseKey(failing, everyProvider, key.keyId)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await stored(key.keyId)).toMatchObject({ name: texts.name })
    await eraseUsage({ ...services, ...services.erasing }, 60)
    expect(await stored(key.keyId)).toMatchObject({ name: 'erased', revocation: { reason: 'compromised', text: null } })
  })
})

describe('an erased key', () => {
  test('cannot be changed, and a second revocation keeps the first, without a text', async () => {
    const { key } = await makeRevoked()
    const erased = await erase(key.keyId)
    const change = patchKey(services, everyProvider, key.keyId, { name: 'Ann again' }, () => undefined)
    await expect(change).rejects.toMatchObject({ code: 'key_revoked' })
    expect(await revoke(key.keyId)).toEqual(erased)
  })
})

describe('the pseudonym of an owner', () => {
  const ownerOf = async (change = {}) => (await erase((await makeRevoked(change)).key.keyId)).ownerId

  test('is the same for all keys of an owner, another one for every other owner and provider', async () => {
    const anns = await ownerOf()
    expect(await ownerOf()).toBe(anns)
    const others = [await ownerOf({ ownerId: 'bob' }), await ownerOf({ providerId: 'zeta' })]
    expect(new Set([anns, ...others]).size).toBe(3)
  })

  test('stays as it is when it is erased again, and a key without an owner gets none', async () => {
    const anns = await ownerOf()
    expect(await ownerOf({ ownerId: anns })).toBe(anns)
    expect(await ownerOf({ ownerId: null })).toBeNull()
  })

  test('depends on the pepper: without it no guess can be confirmed', () => {
    const [one, other] = [1, 2].map((byte) => keyDigests([{ version: 'p1', bytes: new Uint8Array(32).fill(byte) }]))
    expect(one?.ofOwner('acme', 'ann')).not.toBe(other?.ofOwner('acme', 'ann'))
    expect(one?.ofOwner('acme', 'ann')).not.toBe(one?.ofOwner('acm', 'e|ann'))
  })
})
