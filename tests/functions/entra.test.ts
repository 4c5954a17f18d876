import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { healthReady } from '../../functions/health-ready.ts'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysGet } from '../../functions/keys-get.ts'
import { keysList } from '../../functions/keys-list.ts'
import { keysMe } from '../../functions/keys-me.ts'
import { usageReconciliation } from '../../functions/usage-reconciliation.ts'
import { entraTokens } from '../../shared/adapters/identity/entra-tokens.ts'
import { isProviderId, managementScopes } from '../../shared/contracts/fields.ts'
import { oneProvider } from '../../shared/domain/access/provider-scope.ts'
import { putProvider } from '../../shared/operations/keys/put-provider.ts'
import { adminKey, type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { type CallOptions, call, type Endpoint } from '../support/requests/call.ts'
import { makeKey } from '../support/requests/callers.ts'
import { forged } from '../support/requests/forged-tokens.ts'
import { type KeySetServer, startKeySetServer } from '../support/requests/key-set-server.ts'
import { appId, audience, genuine, keySet, mint, objectId, tenant } from '../support/requests/token-issuer.ts'

const newKey = { environment: 'live', name: 'App' }

let server: KeySetServer
let services: FakeServices

beforeAll(async () => {
  server = await startKeySetServer()
})

afterAll(() => server.stop())

beforeEach(() => {
  server.published.set(tenant, keySet)
  const plain = fakeServices()
  const settings = { tenants: [tenant], audience, allowedApps: [appId] }
  const { clock, scheduler } = plain.time
  services = {
    ...plain,
    tokens: entraTokens({
      scopes: managementScopes,
      isProviderId,
      settings,
      clock,
      scheduler,
      log: () => undefined,
      keysAt: server.addressOf,
    }),
  }
})

const send = (endpoint: Endpoint, token: string, options: CallOptions = {}) =>
  call(endpoint, services, { key: null, ...options, headers: { authorization: `Bearer ${token}`, ...options.headers } })
const withRoles = (...roles: string[]) => mint({ payload: { roles } })

describe('a token of Entra ID', () => {
  test('grants its roles, and a key that it makes has its id as created_by', async () => {
    const token = withRoles('keys:write', 'provider:acme')
    const made = await send(keysGenerate, token, { json: newKey })
    expect([made.status, made.body.provider_id, made.body.created_by]).toEqual([
      201,
      'acme',
      `entra:${tenant}:${objectId}`,
    ])
    const listed = await send(keysList, token)
    expect([listed.status, listed.body.code, listed.body.detail]).toEqual([
      403,
      'forbidden',
      expect.stringContaining('keys:read'),
    ])
  })

  test('of one provider gets 404 for another’s keys, and is no operator', async () => {
    const { key } = await makeKey(services, { providerId: 'zeta' })
    const token = withRoles('keys:read', 'keys:write', 'usage:read', 'provider:acme')
    const params = { token_id: key.keyId }
    expect((await send(keysGet, token, { params })).status).toBe(404)
    expect((await send(keysGenerate, token, { json: { ...newKey, provider_id: 'zeta' } })).status).toBe(404)
    expect((await send(usageReconciliation, token)).status).toBe(403)
    expect((await send(keysGet, withRoles('operator'), { params })).status).toBe(200)
    expect((await send(usageReconciliation, withRoles('operator'))).status).toBe(200)
  })

  test('without the role of an operator or of exactly one provider is forbidden everything, with the reason', async () => {
    for (const roles of [[], ['keys:read'], ['keys:read', 'provider:acme', 'provider:zeta']]) {
      const { status, body } = await send(keysList, withRoles(...roles))
      expect([status, body.detail]).toEqual([403, expect.stringContaining('provider:<id>')])
    }
  })

  test('of a disabled provider is refused, like its keys', async () => {
    const quotas = { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null }
    const settings = { name: null, status: 'disabled', failMode: 'open', rateLimits: [], quotas } as const
    await putProvider(services, oneProvider('acme'), settings, 'admin')
    expect((await send(keysList, withRoles('keys:read', 'provider:acme'))).status).toBe(401)
    expect((await send(keysList, withRoles('keys:read', 'provider:zeta'))).status).toBe(200)
  })

  test('cannot make a management key with more rights than its own', async () => {
    const token = withRoles('keys:write', 'provider:acme')
    const wider = { kind: 'management', name: 'Wider', scopes: ['keys:write', 'keys:read'] }
    expect((await send(keysGenerate, token, { json: wider })).status).toBe(403)
    expect((await send(keysGenerate, token, { json: { ...wider, scopes: ['keys:write'] } })).status).toBe(201)
  })

  test('is not accepted as X-API-Key, nor as a holder’s key', async () => {
    expect((await call(keysList, services, { key: genuine })).status).toBe(401)
    expect((await send(keysList, genuine, { headers: { 'x-api-key': genuine } })).status).toBe(401)
    expect((await send(keysList, genuine, { headers: { 'x-api-key': adminKey } })).status).toBe(401)
    expect((await send(keysMe, genuine)).status).toBe(401)
  })

  test('is refused where Entra ID is not configured', async () => {
    services = { ...services, tokens: undefined }
    expect((await send(keysList, genuine)).status).toBe(401)
  })

  test('that is forged gets the same 401 as every wrong credential', async () => {
    const headers = { 'x-request-id': 'the-same-id' }
    const expected = await call(keysList, services, { key: 'wrong', headers })
    for (const [name, forge] of Object.entries(forged)) {
      // Some forged tokens cannot be sent in a header.
      const token = forge()
      if (/[^!-~]/.test(token) || token.length > 16_384) continue
      const { status, text } = await send(keysList, token, { headers })
      expect([name, status, text]).toEqual([name, 401, expected.text])
    }
  })

  test('is answered 503 with Retry-After, never 401, while its signing key cannot be looked up; API keys keep working', async () => {
    server.published.delete(tenant)
    const { status, headers, body } = await send(keysList, genuine)
    expect([status, body.code, headers['retry-after']]).toEqual([503, 'identity_unavailable', '5'])
    expect((await call(keysList, services, { query: { provider_id: 'acme' } })).status).toBe(200)
    expect((await send(keysList, forged['the algorithm none']?.() ?? '')).status).toBe(401)
    expect((await call(healthReady, services, { key: null })).status).toBe(200)
  })

  test('is never logged', async () => {
    const { logged } = await send(keysGenerate, withRoles('operator'), { json: { ...newKey, provider_id: 'acme' } })
    expect(JSON.stringify(logged)).not.toMatch(/eyJ/)
    expect(JSON.stringify(logged)).toContain(`entra:${tenant}:${objectId}`)
  })
})
