import { describe, expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysGet } from '../../functions/keys-get.ts'
import { keysList } from '../../functions/keys-list.ts'
import { fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { makeManager } from '../support/requests/callers.ts'

const minimal = { provider_id: 'acme', environment: 'live', name: 'App' }
const complete = {
  ...minimal,
  ...{ description: 'For the app', owner_id: 'ann', scopes: ['orders:read', 'a.*'], ip_restrictions: ['192.0.2.0/24'] },
  ...{ not_before: '2026-01-01T00:00:00Z', expires_at: '2027-01-01T01:00:00+01:00', metadata: { tier: ['gold', 1] } },
  rate_limits: [{ name: 'burst', limit: 5, window_seconds: 1 }],
  quota: { limit: 100, period: 'month' },
}
const generate = (json: object, services = fakeServices()) => call(keysGenerate, services, { json })
const faultsOf = async (change: object) => {
  const { status, body } = await generate({ ...minimal, ...change })
  return [status, ...(body.errors ?? []).map(({ pointer }: { pointer: string }) => pointer)]
}

describe('POST /auth/keys/generate', () => {
  test('201 returns the key once, and its URL', async () => {
    const services = fakeServices()
    const { status, headers, body } = await generate(minimal, services)
    expect(status).toBe(201)
    expect(body.key).toMatch(/^permas_live_[0-9A-Za-z]{44}$/)
    expect(headers.location).toBe(`/auth/keys/${body.key_id}`)
    const { key, ...view } = body
    const again = await call(keysGet, services, { params: { token_id: body.key_id } })
    expect(again.body).toEqual(view)
    expect(again.text).not.toContain(key.slice('permas_live_'.length, -10))
  })

  test('201 stores every given field, with times in UTC', async () => {
    const { body } = await generate(complete)
    expect(body).toMatchObject({
      ...complete,
      ...{ not_before: '2026-01-01T00:00:00.000Z', expires_at: '2027-01-01T00:00:00.000Z' },
      rate_limits: [{ name: 'burst', limit: 5, window_seconds: 1, strategy: 'sliding_window' }],
      ...{ kind: 'api', status: 'active', enabled: true, created_by: 'admin', hint: body.key.slice(-10, -6) },
    })
  })

  test('201 counts expires_in_days from now', async () => {
    const { body } = await generate({ ...minimal, expires_in_days: 30 })
    expect(body.expires_at).toBe('2026-12-22T16:00:00.000Z')
  })

  test('201 makes a management key, which has no environment', async () => {
    const { status, body } = await generate({ kind: 'management', provider_id: '*', name: 'CI', scopes: ['keys:read'] })
    expect([status, body.kind, body.environment, body.provider_id]).toEqual([201, 'management', null, '*'])
    expect(body.key).toMatch(/^permas_mgmt_/)
  })

  test('400 names every error at once', async () => {
    const { status, body } = await generate({
      ...{
        provider_id: 'Not Good',
        environment: 'prod',
        scopes: ['a b'],
        expires_in_days: 0,
        metadata: [],
        surprise: 1,
      },
      rate_limits: [{ name: 'x', limit: 0, window_seconds: 1 }],
    })
    expect(status).toBe(400)
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
      ...['#/environment', '#/expires_in_days', '#/metadata', '#/name', '#/provider_id', '#/rate_limits/0/limit'],
      ...['#/scopes/0', '#/surprise'],
    ])
  })

  test('400 tells an operator to name a provider', async () => {
    expect(await faultsOf({ provider_id: undefined })).toEqual([400, '#/provider_id'])
  })

  test.each([
    ['a name that is empty, too long or has a line break', '#/name', ['', '   ', 'x'.repeat(129), 'a\nb']],
    ['a description that is too long', '#/description', ['x'.repeat(1025)]],
    ['an owner that is too long', '#/owner_id', ['x'.repeat(256)]],
    ['a provider that is none', '#/provider_id', ['*', 'ACME', '-acme', 'x'.repeat(64), '../acme', 'a/b']],
    [
      'an expiry that has passed or is no instant',
      '#/expires_at',
      ['2020-01-01T00:00:00Z', 'tomorrow', '2027-13-01', 0],
    ],
    ['days that are none', '#/expires_in_days', [0, 1.5, 3651, '30', -1]],
    ['a quota that is none', '#/quota', [5, []]],
  ])('400 for %s', async (_, pointer, values) => {
    for (const value of values) {
      expect([value, ...(await faultsOf({ [pointer.slice(2)]: value }))]).toEqual([value, 400, pointer])
    }
  })

  test.each([
    ['scopes', 50, 'a', '#/scopes'],
    ['ip_restrictions', 100, '192.0.2.1', '#/ip_restrictions'],
  ])('takes as many %s as it promises, and no more', async (field, most, item, pointer) => {
    const items = (count: number) => Array.from({ length: count }, () => item)
    expect(await faultsOf({ [field]: items(most) })).toEqual([201])
    expect(await faultsOf({ [field]: items(most + 1) })).toEqual([400, pointer])
  })

  test('accepts metadata of up to 4 KiB and 8 levels', async () => {
    const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) })
    const sized = (bytes: number) => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) })
    expect(await faultsOf({ metadata: nested(8) })).toEqual([201])
    expect(await faultsOf({ metadata: nested(9) })).toEqual([400, '#/metadata'])
    expect(await faultsOf({ metadata: sized(4096) })).toEqual([201])
    expect(await faultsOf({ metadata: sized(4097) })).toEqual([400, '#/metadata'])
    expect(await faultsOf({ metadata: { a: '雪'.repeat(1400) } })).toEqual([400, '#/metadata'])
  })

  test('400 for two forms of expiry, two limits of one name, and an invalid address rule', async () => {
    expect(await faultsOf({ expires_in_days: 1, expires_at: '2027-01-01T00:00:00Z' })).toEqual([
      400,
      '#/expires_in_days',
    ])
    const limit = { name: 'burst', limit: 1, window_seconds: 1 }
    expect(await faultsOf({ rate_limits: [limit, limit] })).toEqual([400, '#/rate_limits'])
    expect(await faultsOf({ ip_restrictions: ['192.0.2.0/24', '192.0.2.1/24'] })).toEqual([400, '#/ip_restrictions/1'])
  })

  test('400 for a management key with rules that are not enforced', async () => {
    const management = { kind: 'management', environment: undefined, scopes: ['keys:read'] }
    expect(await faultsOf({ ...management, quota: null })).toEqual([400, '#/quota'])
    expect(await faultsOf({ ...management, rate_limits: [] })).toEqual([400, '#/rate_limits'])
    expect(await faultsOf({ ...management, scopes: ['orders:read'] })).toEqual([400, '#/scopes/0'])
    expect(await faultsOf({ ...management, scopes: [] })).toEqual([400, '#/scopes'])
  })

  test('creates no key on a refusal', async () => {
    const services = fakeServices()
    await generate({ ...minimal, scopes: ['a b'] }, services)
    await generate({ ...minimal, expires_at: '2020-01-01T00:00:00Z' }, services)
    const { secret } = await makeManager(services, 'acme', ['keys:write'])
    await call(keysGenerate, services, { key: secret, json: { ...minimal, kind: 'management', scopes: ['keys:read'] } })
    const { body } = await call(keysList, services, { query: { provider_id: 'acme' } })
    expect(body.items).toHaveLength(1)
  })
})
