/**
 * Regression tests for vulnerabilities of similar services: Better Auth CVE-2025-61928 (a user id in the body switched
 * authorization off, and clients could set permissions and limits), Grav CVE-2026-64852 (any user could mint keys for
 * others) and CVE-2026-62231 (the scopes of keys were stored and never enforced).
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysList } from '../../functions/keys-list.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRotate } from '../../functions/keys-rotate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { managementScopes } from '../../shared/contracts/fields.ts'
import { everyProvider } from '../../shared/domain/access/provider-scope.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { loadEndpoints } from '../support/requests/all-functions.ts'
import { call } from '../support/requests/call.ts'
import { makeKey, makeManager } from '../support/requests/callers.ts'
import { sampleCalls, sampleWorld, sendSample } from '../support/requests/sample-calls.ts'

const newKey = { environment: 'live', name: 'App' }

let services: FakeServices

beforeEach(() => {
  services = fakeServices()
})

describe('a provider or a user in the body (Better Auth, CVE-2025-61928)', () => {
  test('never widens a caller’s rights: not without a credential, and not with another provider’s', async () => {
    const { secret } = await makeManager(services, 'zeta', managementScopes)
    const json = { ...newKey, provider_id: 'acme' }
    expect((await call(keysGenerate, services, { key: null, json })).status).toBe(401)
    expect((await call(keysGenerate, services, { key: secret, json })).status).toBe(404)
    expect((await call(keysList, services, { query: { provider_id: 'acme' } })).body.items).toEqual([])
  })

  test('is optional for a provider’s own manager: its keys belong to its provider', async () => {
    const { secret } = await makeManager(services, 'zeta', ['keys:write'])
    expect((await call(keysGenerate, services, { key: secret, json: newKey })).body.provider_id).toBe('zeta')
  })

  test('does not impersonate another caller: created_by is the authenticated caller', async () => {
    const { key, secret } = await makeManager(services, 'zeta', ['keys:write'])
    expect((await call(keysGenerate, services, { key: secret, json: newKey })).body.created_by).toBe(key.keyId)
    const forged = await call(keysGenerate, services, { key: secret, json: { ...newKey, created_by: 'admin' } })
    expect([forged.status, forged.body.errors]).toEqual([
      400,
      [{ pointer: '#/created_by', detail: 'is not a field of this request' }],
    ])
  })
})

describe('mass assignment (Better Auth, CVE-2025-61928)', () => {
  const internal = {
    ...{
      digest: 'a'.repeat(64),
      pepper_version: 'p0',
      pepperVersion: 'p0',
      hint: 'aaaa',
      key: 'permas',
      key_id: '01K',
    },
    ...{
      status: 'active',
      revoked_at: null,
      revocation: null,
      created_at: '2020-01-01T00:00:00Z',
      created_by: 'admin',
    },
    ...{
      updated_at: '2020-01-01T00:00:00Z',
      last_used_at: null,
      rotated_from: 'x',
      replaced_by: 'x',
      grace_until: null,
    },
    ...{
      remaining: 1_000_000,
      rateLimitMax: 1,
      permissions: ['*'],
      userId: 'admin',
      isAdmin: true,
      providerId: 'acme',
    },
    ...{ kind_: 'management', scope: 'keys:write', constructor: {}, toString: 1 },
  }

  test.each(Object.entries(internal))(
    'of %s is refused by generate and by patch, and changes nothing',
    async (name, value) => {
      const { key } = await makeKey(services)
      const params = { token_id: key.keyId }
      const generated = await call(keysGenerate, services, { json: { ...newKey, provider_id: 'acme', [name]: value } })
      const patched = await call(keysPatch, services, { params, json: { name: 'New', [name]: value } })
      for (const { status, body } of [generated, patched]) {
        expect([status, body.errors]).toEqual([400, [{ pointer: `#/${name}`, detail: expect.any(String) }]])
      }
      expect((await services.keys.findById(everyProvider, key.keyId))?.value).toEqual(key)
    },
  )

  test.each(['provider_id', 'environment', 'kind', 'not_before'])(
    'of %s is refused by patch: it never changes',
    async (name) => {
      const { key } = await makeKey(services)
      const json = { name: 'New', [name]: 'test' }
      expect((await call(keysPatch, services, { params: { token_id: key.keyId }, json })).status).toBe(400)
    },
  )

  test('of a limit’s state is refused: a caller cannot set its remainder', async () => {
    const limit = { name: 'burst', limit: 1, window_seconds: 1, remaining: 1_000_000 }
    const json = { ...newKey, provider_id: 'acme', rate_limits: [limit], quota: { limit: 1, period: 'day', used: 0 } }
    expect((await call(keysGenerate, services, { json })).body.errors).toEqual([
      { pointer: '#/rate_limits/0/remaining', detail: 'is not a field of this request' },
      { pointer: '#/quota/used', detail: 'is not a field of this request' },
    ])
  })
})

describe('minting a key for another user (Grav, CVE-2026-64852)', () => {
  const mint = async (key: string | null, json: object) => {
    const { status, text } = await call(keysGenerate, services, { key, json: { ...newKey, owner_id: 'ann', ...json } })
    expect(text).not.toMatch(/permas_/)
    return status
  }
  const minted = async () => (await call(keysList, services, { query: { provider_id: 'acme', owner_id: 'ann' } })).body

  test('takes more than a key: refused for a holder, a manager without the scope, and another provider’s manager', async () => {
    const reader = await makeManager(
      services,
      'acme',
      managementScopes.filter((scope) => scope !== 'keys:write'),
    )
    const stranger = await makeManager(services, 'zeta', managementScopes)
    const holder = await makeKey(services, { ownerId: 'bob', scopes: ['keys:write', '*'] })
    const json = { provider_id: 'acme' }
    expect([await mint(null, json), await mint(holder.secret, json)]).toEqual([401, 401])
    expect([await mint(reader.secret, json), await mint(stranger.secret, json)]).toEqual([403, 404])
    expect((await minted()).items).toEqual([])
  })

  test('is not possible by rotating one of their keys: no other caller gets its secret', async () => {
    const { key } = await makeKey(services, { ownerId: 'ann' })
    const bobs = await makeKey(services, { ownerId: 'bob' })
    const stranger = await makeManager(services, 'zeta', managementScopes)
    for (const { secret } of [bobs, stranger]) {
      const options = { key: secret, params: { token_id: key.keyId }, json: { grace_period_seconds: 60 } }
      const { status, text } = await call(keysRotate, services, options)
      expect([status, /permas_/.test(text)]).toEqual([secret === bobs.secret ? 401 : 404, false])
    }
    expect((await minted()).items.map((item: { key_id: string }) => item.key_id)).toEqual([key.keyId])
  })
})

describe('the scopes of a key (Grav, CVE-2026-62231)', () => {
  test('of this API are enforced at every endpoint: a key without scopes is refused by all', async () => {
    const world = await sampleWorld(services)
    const { secret } = await makeManager(services, '*', [])
    const managed = (await loadEndpoints()).filter(
      ({ access }) => !['public', 'holder', 'possessor'].includes(String(access)),
    )
    expect(managed.length).toBeGreaterThan(12)
    for (const endpoint of managed) {
      expect([endpoint.name, (await sendSample(world, endpoint, { key: secret })).status]).toEqual([endpoint.name, 403])
    }
    expect(Object.keys(sampleCalls)).toEqual(expect.arrayContaining(managed.map(({ name }) => name)))
  })

  test('of a provider’s own API are enforced by validate, scope for scope', async () => {
    const { secret } = await makeKey(services, { scopes: ['orders:read'] })
    const codeFor = async (scopes: readonly string[]) =>
      (await call(keysValidate, services, { json: { key: secret, scopes } })).body.code
    expect(await codeFor(['orders:read'])).toBe('VALID')
    expect(await codeFor(['orders:write'])).toBe('INSUFFICIENT_SCOPE')
    expect(await codeFor(['orders:read', 'orders:write'])).toBe('INSUFFICIENT_SCOPE')
    expect(await codeFor(['*'])).toBe('INSUFFICIENT_SCOPE')
  })

  test('of a provider’s own API grant nothing here, whatever their names', async () => {
    const { secret } = await makeKey(services, { scopes: ['*', ...managementScopes] })
    expect((await call(keysList, services, { key: secret, query: { provider_id: 'acme' } })).status).toBe(401)
  })

  test('are not patterns here: a management key with a star is still refused', async () => {
    const { secret } = await makeKey(services, {
      kind: 'management',
      environment: null,
      providerId: '*',
      scopes: ['*', 'keys:*'],
    })
    expect((await call(keysList, services, { key: secret, query: { provider_id: 'acme' } })).status).toBe(403)
  })
})
