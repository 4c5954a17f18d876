import { describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { fakeServices } from '../../../support/memory/fake-services.ts'
import { makeKey } from '../../../support/requests/callers.ts'

const now = new Date('2026-11-22T16:00:00.000Z')

describe('a new key', () => {
  test('is stored as a digest, from which the secret cannot be recovered', async () => {
    const services = fakeServices()
    const { key, secret } = await makeKey(services)
    const stored = await services.keys.findById(everyProvider, key.keyId)
    expect(stored?.value).toEqual(key)
    expect(JSON.stringify(stored)).not.toContain(secret.slice('permas_live_'.length, -10))
    expect(key).toMatchObject(services.digests.make(secret))
    expect(key.hint).toBe(secret.slice(-10, -6))
  })

  test('has its environment in its prefix, and a management key has none', async () => {
    const services = fakeServices()
    expect((await makeKey(services, { environment: 'test' })).secret).toMatch(/^permas_test_/)
    expect((await makeKey(services, { environment: null, kind: 'management' })).secret).toMatch(/^permas_mgmt_/)
  })

  test('is made once per id: a second try makes no other key, and returns no secret', async () => {
    const services = fakeServices()
    const { key } = await makeKey(services, { keyId: '01K00000000000000000000009' })
    const again = makeKey(services, { keyId: '01K00000000000000000000009', name: 'Other' })
    await expect(again).rejects.toThrow('there already')
    expect((await services.keys.findById(everyProvider, key.keyId))?.value).toEqual(key)
  })

  test('that cannot be read back fails with a conflict, and may be retried', async () => {
    const services = fakeServices(({ keys }) => ({ keys: { ...keys, create: async () => 'exists' } }))
    await expect(makeKey(services)).rejects.toMatchObject({ code: 'conflict' })
  })
})

describe('invalid input, refused with all errors at once', () => {
  const faultsOf = (change: Parameters<typeof makeKey>[1]) =>
    makeKey(fakeServices(), change).then(
      () => [],
      (error) => error.errors.map(({ pointer }: { pointer: string }) => pointer),
    )

  test('an invalid address rule, by its index', async () => {
    const ipRestrictions = ['192.0.2.1', '192.0.2.1/24', '2001:db8::/32', '0.0.0.0/0']
    expect(await faultsOf({ ipRestrictions, expiresAt: now })).toEqual([
      '#/ip_restrictions/1',
      '#/ip_restrictions/3',
      '#/expires_at',
    ])
  })

  test('an expiry that is not in the future, or not later than not_before', async () => {
    const later = new Date(now.getTime() + 1)
    expect(await faultsOf({ expiresAt: now })).toEqual(['#/expires_at'])
    expect(await faultsOf({ expiresAt: later })).toEqual([])
    expect(await faultsOf({ expiresAt: later, notBefore: later })).toEqual(['#/expires_at'])
  })
})
