import { beforeEach, describe, expect, test } from 'vitest'
import { providersGet } from '../../functions/providers-get.ts'
import { providersPut } from '../../functions/providers-put.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { makeManager } from '../support/requests/callers.ts'

let services: FakeServices

beforeEach(() => {
  services = fakeServices()
})

const params = { provider_id: 'acme' }
const put = (json?: object) => call(providersPut, services, { params, ...(json && { json }) })
const get = () => call(providersGet, services, { params })

describe('PUT and GET /auth/providers/{provider_id}', () => {
  test('404 before the first put, which is 201; 200 afterwards', async () => {
    expect((await get()).body.code).toBe('provider_not_found')
    const { status, body } = await put({ name: 'Acme' })
    expect(status).toBe(201)
    expect((await get()).body).toEqual(body)
    expect((await put({ name: 'Acme 2' })).status).toBe(200)
  })

  test('an absent field takes its default: a put replaces all settings', async () => {
    const rate_limits = [{ name: 'all', limit: 10, window_seconds: 60, strategy: 'fixed_window' }]
    const quotas = { requests_per_day: 1, requests_per_month: 2, max_keys: 3, keys_per_hour: 4 }
    const full = { name: 'Acme', status: 'disabled', fail_mode: 'closed', rate_limits, quotas }
    expect((await put(full)).body).toMatchObject(full)
    expect((await put()).body).toMatchObject({
      ...{ name: null, status: 'active', fail_mode: 'open', rate_limits: [] },
      quotas: { requests_per_day: null, requests_per_month: null, max_keys: null, keys_per_hour: null },
    })
  })

  test('shows who changed it last, and when', async () => {
    await put({})
    await services.time.advance(1000)
    const { key, secret } = await makeManager(services, 'acme', ['providers:write'])
    const { body } = await call(providersPut, services, { key: secret, params, json: {} })
    expect(body).toMatchObject({
      ...{ updated_by: key.keyId, created_at: '2026-11-22T16:00:00.000Z', updated_at: '2026-11-22T16:00:01.000Z' },
    })
  })

  test.each([
    ['#/status', { status: 'asleep' }],
    ['#/quotas/max_keys', { quotas: { max_keys: 0 } }],
    ['#/quotas/more', { quotas: { more: 1 } }],
    ['#/provider_id', { provider_id: 'zeta' }],
    ['#/rate_limits/0/name', { rate_limits: [{ name: 'Not Good', limit: 1, window_seconds: 1 }] }],
  ])('400 names %s', async (pointer, json) => {
    expect((await put(json)).body.errors).toMatchObject([{ pointer }])
  })

  test.each(['*', 'ACME', 'a b', '..', 'x'.repeat(64)])(
    '400 for %s, which is not a provider id',
    async (providerId) => {
      const { status, body } = await call(providersPut, services, { params: { provider_id: providerId }, json: {} })
      expect([status, body.errors[0].pointer]).toEqual([400, '/provider_id'])
    },
  )
})
