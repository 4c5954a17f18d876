import { beforeEach, describe, expect, test } from 'vitest'
import { providersGet } from '../../functions/providers-get.ts'
import { providersPut } from '../../functions/providers-put.ts'
import { managementScopes } from '../../shared/contracts/fields.ts'
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

  test('an absent field stays as it is, `null` and an empty list clear, and nothing at all is no instruction', async () => {
    const rate_limits = [{ name: 'all', limit: 10, window_seconds: 60, strategy: 'fixed_window' }]
    const quotas = { requests_per_day: 1, requests_per_month: 2, max_keys: 3, keys_per_hour: 4 }
    const full = { name: 'Acme', status: 'disabled', fail_mode: 'closed', rate_limits, quotas }
    expect((await put(full)).body).toMatchObject(full)
    for (const nothing of [undefined, {}, { quotas: {} }]) {
      const { status, body } = await put(nothing)
      expect([status, body.errors]).toMatchObject([400, [{ detail: expect.stringMatching(/at least one/) }]])
    }
    expect((await put({ name: 'Acme 2' })).body).toMatchObject({ ...full, name: 'Acme 2' })
    expect((await put({ quotas: { max_keys: null } })).body.quotas).toEqual({ ...quotas, max_keys: null })
    expect((await put({ name: null, rate_limits: [] })).body).toMatchObject({ name: null, rate_limits: [] })
    expect((await get()).body).toMatchObject({ ...full, name: null, rate_limits: [], quotas: { max_keys: null } })
  })

  test('what a first put leaves out takes its default', async () => {
    expect((await put({ name: 'Acme' })).body).toMatchObject({
      ...{ name: 'Acme', status: 'active', fail_mode: 'open', rate_limits: [] },
      quotas: { requests_per_day: null, requests_per_month: null, max_keys: null, keys_per_hour: null },
    })
  })

  test('shows who changed it last, and when', async () => {
    await put({ name: 'Acme' })
    await services.time.advance(1000)
    const { key, secret } = await makeManager(services, 'acme', ['providers:write'])
    const { body } = await call(providersPut, services, { key: secret, params, json: { fail_mode: 'closed' } })
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
      const { status, body } = await call(providersPut, services, {
        params: { provider_id: providerId },
        json: { name: 'A' },
      })
      expect([status, body.errors[0].pointer]).toEqual([400, '/provider_id'])
    },
  )
})

describe('the fields of a provider that an operator owns', () => {
  const limit = { name: 'all', limit: 10, window_seconds: 60, strategy: 'fixed_window' }
  const owned = { quotas: { max_keys: 1_000_000 }, rate_limits: [limit], status: 'active' }
  const putAs = (key: string, json: object) => call(providersPut, services, { key, params, json })

  test.each(Object.entries(owned))('%s: 403 to its own manager, whatever else it changes', async (field, value) => {
    const before = (await put({ name: 'Acme', quotas: { max_keys: 5 } })).body
    const { secret } = await makeManager(services, 'acme', managementScopes)
    for (const json of [{ [field]: value }, { name: 'Mine', [field]: value }]) {
      const { status, body } = await putAs(secret, json)
      expect([status, body.code]).toEqual([403, 'forbidden'])
      expect(body.errors).toEqual([{ pointer: `#/${field}`, detail: expect.stringMatching(/operator/) }])
      expect(body.detail).toMatch(/providers:admin/)
    }
    expect((await get()).body).toEqual(before)
  })

  test('all of them are named at once', async () => {
    const { secret } = await makeManager(services, 'acme', ['providers:write'])
    const { body } = await putAs(secret, owned)
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      ...['#/status', '#/rate_limits', '#/quotas'],
    ])
  })

  test('the provider’s own manager changes the others, and keeps these', async () => {
    await put({ quotas: { max_keys: 5 }, rate_limits: [limit] })
    const { secret } = await makeManager(services, 'acme', ['providers:write'])
    const { status, body } = await putAs(secret, { name: 'Mine', fail_mode: 'closed' })
    expect([status, body.name, body.fail_mode]).toEqual([200, 'Mine', 'closed'])
    expect(body).toMatchObject({ quotas: { max_keys: 5 }, rate_limits: [limit] })
  })

  test('a manager of all providers needs providers:admin for them, besides providers:write', async () => {
    const writer = await makeManager(services, '*', ['providers:write'])
    const operator = await makeManager(services, '*', ['providers:write', 'providers:admin'])
    expect((await putAs(writer.secret, { status: 'disabled' })).status).toBe(403)
    expect((await putAs(operator.secret, { status: 'disabled' })).body.status).toBe('disabled')
  })
})
