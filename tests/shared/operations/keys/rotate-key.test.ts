import { describe, expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { type Key, keyStatus } from '../../../../shared/domain/keys/key.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import { type RotateKeyInput, rotateKey } from '../../../../shared/operations/keys/rotate-key.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { makeKey } from '../../../support/requests/callers.ts'

const allow = () => undefined
const dayS = 86_400

function rotate(services: FakeServices, keyId: string, change: Partial<RotateKeyInput> = {}) {
  const input = { keyId, newKeyId: services.random.id(), gracePeriodSeconds: 0, expiresAt: undefined, by: 'admin' }
  return rotateKey(services, oneProvider('acme'), { ...input, ...change }, allow)
}

async function stored(services: FakeServices, keyId: string): Promise<Key> {
  const found = await services.keys.findById(everyProvider, keyId)
  if (found === undefined) throw new Error(`no key ${keyId}`)
  return found.value
}

async function keysOf(services: FakeServices): Promise<readonly Key[]> {
  return (await services.keys.page(oneProvider('acme'), { limit: 100, after: null })).items
}

describe('a rotation', () => {
  test('makes a key with the same policy and another secret, and each names the other', async () => {
    const services = fakeServices()
    const policy = {
      ...{ name: 'App', description: 'd', ownerId: 'ann', scopes: ['a', 'b'], ipRestrictions: ['192.0.2.0/24'] },
      ...{ notBefore: new Date('2026-01-01'), expiresAt: new Date('2027-01-01'), metadata: { tier: 'gold' } },
      rateLimits: [{ name: 'burst', limit: 5, windowSeconds: 1, strategy: 'fixed_window' as const }],
      quota: { limit: 100, period: 'day' as const },
    }
    const { key: old, secret } = await makeKey(services, policy)
    const { key, secret: newSecret } = await rotate(services, old.keyId, { by: 'ops' })
    expect(key).toMatchObject({ ...policy, providerId: 'acme', environment: 'live', kind: 'api', createdBy: 'ops' })
    expect(key.rotatedFrom).toBe(old.keyId)
    expect((await stored(services, old.keyId)).replacedBy).toBe(key.keyId)
    expect(newSecret).toMatch(/^permas_live_/)
    expect(newSecret).not.toBe(secret)
  })

  test('of a disabled key makes a disabled key: a rotation does not enable it', async () => {
    const services = fakeServices()
    const { key: old } = await makeKey(services, { enabled: false })
    expect((await rotate(services, old.keyId)).key.enabled).toBe(false)
  })

  test('without grace ends the old key at once', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services)
    await rotate(services, key.keyId)
    const old = await stored(services, key.keyId)
    expect(keyStatus(old, services.clock.now())).toBe('revoked')
    expect(old.revocation).toEqual({ at: services.clock.now(), by: 'admin', reason: 'rotated', text: null })
  })

  test('with grace keeps the old key valid for that long, and not a millisecond longer', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services)
    await rotate(services, key.keyId, { gracePeriodSeconds: dayS })
    const old = await stored(services, key.keyId)
    const now = services.clock.now().getTime()
    expect(keyStatus(old, new Date(now + dayS * 1000 - 1))).toBe('in_grace')
    expect(keyStatus(old, new Date(now + dayS * 1000))).toBe('expired')
  })

  test('with grace never extends the old key past its own expiry', async () => {
    const services = fakeServices()
    const expiresAt = new Date(services.clock.now().getTime() + 1000)
    const { key } = await makeKey(services, { expiresAt })
    await rotate(services, key.keyId, { gracePeriodSeconds: dayS, expiresAt: null })
    const old = await stored(services, key.keyId)
    expect(old.graceUntil).toEqual(expiresAt)
    expect(keyStatus(old, expiresAt)).toBe('expired')
  })

  test('gives the new key the requested expiry, or none, or the old key’s', async () => {
    const services = fakeServices()
    const [early, late] = [new Date('2027-01-01'), new Date('2028-01-01')]
    const expiryWith = async (expiresAt: Date | null | undefined) => {
      const { key } = await makeKey(services, { expiresAt: early })
      return (await rotate(services, key.keyId, { expiresAt })).key.expiresAt
    }
    expect([await expiryWith(late), await expiryWith(null), await expiryWith(undefined)]).toEqual([late, null, early])
  })

  test('refuses a revoked, an expired and an already rotated key, and makes no key then', async () => {
    const services = fakeServices()
    const revoked = (await makeKey(services)).key.keyId
    await writeRevocation(services, everyProvider, {
      ...{ keyId: revoked, reason: 'policy', text: null, replacedBy: null, by: 'admin' },
    })
    const expiresAt = new Date(services.clock.now().getTime() + 1)
    const expired = (await makeKey(services, { expiresAt })).key.keyId
    await services.time.advance(1)
    const rotated = (await makeKey(services)).key.keyId
    await rotate(services, rotated, { gracePeriodSeconds: 60 })
    const before = await keysOf(services)
    await expect(rotate(services, revoked)).rejects.toMatchObject({ code: 'key_revoked' })
    await expect(rotate(services, expired)).rejects.toMatchObject({ code: 'key_revoked' })
    await expect(rotate(services, rotated)).rejects.toMatchObject({ code: 'key_already_rotated' })
    expect(await keysOf(services)).toEqual(before)
  })

  test('does not reach another provider’s key', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services, { providerId: 'zeta' })
    await expect(rotate(services, key.keyId)).rejects.toMatchObject({ code: 'key_not_found' })
    expect(await stored(services, key.keyId)).toEqual(key)
  })
})

describe('of several rotations of one key at once', () => {
  test('one wins, and the keys that the others made are revoked', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services)
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => rotate(services, key.keyId)))
    const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.key.keyId] : []))
    const losers = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))
    expect(winners).toHaveLength(1)
    expect(losers).toEqual(['key_already_rotated', 'key_already_rotated', 'key_already_rotated'])
    const active = (await keysOf(services)).filter((one) => keyStatus(one, services.clock.now()) === 'active')
    expect(active.map(({ keyId }) => keyId)).toEqual(winners)
    expect((await stored(services, key.keyId)).replacedBy).toBe(winners[0])
  })

  test('with a revocation in between, none wins: the new key is revoked too', async () => {
    const services = fakeServices(({ keys }) => ({
      keys: {
        ...keys,
        create: async (key) => {
          const created = await keys.create(key)
          if (key.rotatedFrom !== null) await revokeBehind(key.rotatedFrom)
          return created
        },
      },
    }))
    const revokeBehind = (keyId: string) =>
      writeRevocation(services, everyProvider, { keyId, reason: 'compromised', text: null, replacedBy: null, by: 'x' })
    const { key } = await makeKey(services)
    await expect(rotate(services, key.keyId)).rejects.toMatchObject({ code: 'key_revoked' })
    const states = (await keysOf(services)).map((one) => keyStatus(one, services.clock.now()))
    expect(states).toEqual(['revoked', 'revoked'])
  })
})

describe('a rotation that breaks in the middle', () => {
  test('leaves the old key as it was, and a retry with the same id finishes it without a third key', async () => {
    let broken = true
    const services = fakeServices(({ keys }) => ({
      keys: {
        ...keys,
        replace: async (key, version) => {
          if (broken) throw Object.assign(new Error('crash'), { code: 'crash' })
          return keys.replace(key, version)
        },
      },
    }))
    const { key } = await makeKey(services)
    const newKeyId = services.random.id()
    await expect(rotate(services, key.keyId, { newKeyId })).rejects.toThrow('crash')
    expect(await stored(services, key.keyId)).toEqual(key)
    broken = false
    expect(await rotate(services, key.keyId, { newKeyId })).toMatchObject({ secret: null, key: { keyId: newKeyId } })
    expect((await stored(services, key.keyId)).replacedBy).toBe(newKeyId)
    expect(await keysOf(services)).toHaveLength(2)
  })

  test('after its last step is finished by a retry with the same id, which changes nothing more', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services)
    const newKeyId = services.random.id()
    await rotate(services, key.keyId, { newKeyId })
    const old = await stored(services, key.keyId)
    await services.time.advance(1000)
    expect(await rotate(services, key.keyId, { newKeyId })).toMatchObject({ secret: null, key: { keyId: newKeyId } })
    expect(await stored(services, key.keyId)).toEqual(old)
    expect(await keysOf(services)).toHaveLength(2)
  })
})
