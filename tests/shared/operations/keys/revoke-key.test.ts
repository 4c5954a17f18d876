import { expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { type RevocationInput, writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { makeKey } from '../../../support/requests/callers.ts'

const revoke = (services: FakeServices, keyId: string, change: Partial<RevocationInput> = {}) =>
  writeRevocation(services, oneProvider('acme'), {
    ...{ keyId, reason: 'compromised', text: 'leaked', replacedBy: null, by: 'admin', ...change },
  })

test('a revocation says when, by whom and why, and what replaces the key', async () => {
  const services = fakeServices()
  const { key } = await makeKey(services)
  const replacedBy = '01K99999999999999999999999'
  const at = services.clock.now()
  expect(await revoke(services, key.keyId, { replacedBy })).toEqual({
    ...key,
    revocation: { at, by: 'admin', reason: 'compromised', text: 'leaked' },
    replacedBy,
    updatedAt: at,
  })
})

test('revoking again changes nothing: the first reason stands', async () => {
  const services = fakeServices()
  const { key } = await makeKey(services)
  const first = await revoke(services, key.keyId)
  await services.time.advance(1000)
  expect(await revoke(services, key.keyId, { reason: 'policy', by: 'someone', replacedBy: 'x' })).toEqual(first)
  expect((await services.keys.findById(everyProvider, key.keyId))?.value).toEqual(first)
})

test('of two concurrent revocations one gives the reason, and both return it', async () => {
  const services = fakeServices()
  const { key } = await makeKey(services)
  const [one, two] = await Promise.all([revoke(services, key.keyId), revoke(services, key.keyId, { reason: 'policy' })])
  expect(one).toEqual(two)
})

test('another provider’s key is not found', async () => {
  const services = fakeServices()
  const { key } = await makeKey(services, { providerId: 'zeta' })
  await expect(revoke(services, key.keyId)).rejects.toMatchObject({ code: 'key_not_found' })
  expect((await services.keys.findById(everyProvider, key.keyId))?.value.revocation).toBeNull()
})
