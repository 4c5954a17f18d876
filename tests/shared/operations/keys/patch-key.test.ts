import { describe, expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import { type KeyChanges, patchKey } from '../../../../shared/operations/keys/patch-key.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { makeKey } from '../../../support/requests/callers.ts'

const allow = () => undefined
const patch = (services: FakeServices, keyId: string, changes: KeyChanges, authorize = allow) =>
  patchKey(services, oneProvider('acme'), keyId, changes, authorize)
const revocation = { reason: 'policy', text: null, replacedBy: null, by: 'admin' } as const

describe('a patch', () => {
  test('changes the fields it names, and otherwise only updatedAt', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services, { description: 'kept', scopes: ['a'] })
    await services.time.advance(1000)
    const changed = await patch(services, key.keyId, { name: 'New', scopes: ['b'] })
    expect(changed).toEqual({ ...key, name: 'New', scopes: ['b'], updatedAt: services.clock.now() })
    expect((await services.keys.findById(everyProvider, key.keyId))?.value).toEqual(changed)
  })

  test('cannot change a revoked key', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services)
    const revoked = await writeRevocation(services, everyProvider, { keyId: key.keyId, ...revocation })
    await expect(patch(services, key.keyId, { enabled: true })).rejects.toMatchObject({ code: 'key_revoked' })
    expect((await services.keys.findById(everyProvider, key.keyId))?.value).toEqual(revoked)
  })

  test('may revive an expired key, and may not set an expiry in the past', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services, { expiresAt: new Date(services.clock.now().getTime() + 1000) })
    await services.time.advance(5000)
    await expect(patch(services, key.keyId, { expiresAt: services.clock.now() })).rejects.toMatchObject({
      errors: [{ pointer: '#/expires_at', detail: 'must be in the future' }],
    })
    expect((await patch(services, key.keyId, { expiresAt: null })).expiresAt).toBeNull()
  })

  test('does not find another provider’s key, and answers as for a missing key', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services, { providerId: 'zeta' })
    const refusals = [key.keyId, '01K99999999999999999999999'].map((keyId) =>
      patch(services, keyId, { name: 'x' }).catch((error: AppError) => [error.code, error.message]),
    )
    const [others, missing] = await Promise.all(refusals)
    expect(others).toEqual(missing)
    expect((await services.keys.findById(everyProvider, key.keyId))?.value).toEqual(key)
  })

  test('passes the key before and after the change to authorize, and changes nothing when authorize throws', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services, { scopes: ['a'] })
    const seen: (readonly string[])[] = []
    const refuse = (before: Key, after: Key) => {
      seen.push(before.scopes, after.scopes)
      throw new AppError('forbidden', 'No.')
    }
    await expect(patchKey(services, everyProvider, key.keyId, { scopes: ['b'] }, refuse)).rejects.toMatchObject({
      code: 'forbidden',
    })
    expect(seen).toEqual([['a'], ['b']])
    expect((await services.keys.findById(everyProvider, key.keyId))?.value).toEqual(key)
  })
})

describe('of many changes at once', () => {
  test('none is lost: after a lost race a change reads and decides again', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services)
    await Promise.all([
      patch(services, key.keyId, { name: 'New' }),
      patch(services, key.keyId, { description: 'Text' }),
      patch(services, key.keyId, { enabled: false }),
    ])
    expect((await services.keys.findById(everyProvider, key.keyId))?.value).toMatchObject({
      ...{ name: 'New', description: 'Text', enabled: false },
    })
  })

  test('a change that loses every race fails with a conflict', async () => {
    let tries = 0
    const services = fakeServices(({ keys }) => ({
      keys: {
        ...keys,
        replace: async () => {
          tries++
          return 'stale'
        },
      },
    }))
    const { key } = await makeKey(services)
    await expect(patch(services, key.keyId, { name: 'New' })).rejects.toMatchObject({ code: 'conflict' })
    expect(tries).toBeLessThan(20)
  })
})
