import { expect, test } from 'vitest'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { getProvider } from '../../../../shared/operations/keys/get-provider.ts'
import { type ProviderSettings, putProvider } from '../../../../shared/operations/keys/put-provider.ts'
import { fakeServices } from '../../../support/memory/fake-services.ts'

const acme = oneProvider('acme')
const settings: ProviderSettings = {
  name: 'Acme',
  status: 'active',
  failMode: 'open',
  rateLimits: [],
  quotas: { requestsPerDay: 1, requestsPerMonth: null, maxKeys: null, keysPerHour: null },
}

test('a provider is missing until it is put', async () => {
  await expect(getProvider(fakeServices(), acme)).rejects.toMatchObject({ code: 'provider_not_found' })
})

test('the first put creates a provider; the next replaces all its settings and keeps createdAt', async () => {
  const services = fakeServices()
  const createdAt = services.clock.now()
  expect(await putProvider(services, acme, settings, 'admin')).toMatchObject({ created: true })
  await services.time.advance(1000)
  const second = await putProvider(services, acme, { ...settings, name: null }, 'ops')
  expect(second).toEqual({
    created: false,
    provider: {
      ...settings,
      name: null,
      providerId: 'acme',
      lineage: null,
      createdAt,
      updatedAt: services.clock.now(),
      updatedBy: 'ops',
    },
  })
  expect(await getProvider(services, acme)).toEqual(second.provider)
})

test('of many concurrent first puts exactly one has created the provider', async () => {
  const services = fakeServices()
  const results = await Promise.all(Array.from({ length: 4 }, () => putProvider(services, acme, settings, 'admin')))
  expect(results.filter(({ created }) => created)).toHaveLength(1)
})

test('a provider that is disabled here is looked up as disabled at once', async () => {
  const services = fakeServices()
  expect((await services.keyLookup.findProvider('acme', false)).value).toBeUndefined()
  await putProvider(services, acme, { ...settings, status: 'active' }, 'admin')
  await services.keyLookup.findProvider('acme', true)
  await putProvider(services, acme, { ...settings, status: 'disabled' }, 'admin')
  expect((await services.keyLookup.findProvider('acme', false)).value?.status).toBe('disabled')
})

test('a provider that was cached as absent is found at once after it is put', async () => {
  const services = fakeServices()
  await services.keyLookup.findProvider('acme', false)
  await putProvider(services, acme, { ...settings, status: 'disabled' }, 'admin')
  expect((await services.keyLookup.findProvider('acme', false)).value?.status).toBe('disabled')
})
