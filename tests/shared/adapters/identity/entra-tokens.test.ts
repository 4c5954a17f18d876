import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { entraTokens } from '../../../../shared/adapters/identity/entra-tokens.ts'
import { isProviderId, managementScopes } from '../../../../shared/contracts/fields.ts'
import type { TokenVerifier } from '../../../../shared/ports/access.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'
import { forged } from '../../../support/requests/forged-tokens.ts'
import { type KeySetServer, startKeySetServer } from '../../../support/requests/key-set-server.ts'
import {
  appId,
  audience,
  genuine,
  issuedAt,
  issuerOf,
  jwkOf,
  keySet,
  mint,
  objectId,
  otherTenant,
  otherTenantsKey,
  tenant,
} from '../../../support/requests/token-issuer.ts'

const { clock, scheduler } = manualTime()
const claiming = (payload: object) => mint({ payload })

let server: KeySetServer
let verifier: TokenVerifier

beforeAll(async () => {
  server = await startKeySetServer()
  server.published.set(tenant, keySet)
  server.published.set(otherTenant, [jwkOf(otherTenantsKey)])
  verifier = verifierFor({})
})

afterAll(() => server.stop())

function verifierFor(change: { readonly tenants?: readonly string[]; readonly allowedApps?: readonly string[] }) {
  const settings = { tenants: [tenant, otherTenant], audience, allowedApps: [appId], ...change }
  return entraTokens({
    settings: { ...settings, tenants: [...settings.tenants], allowedApps: [...settings.allowedApps] },
    ...{ scopes: managementScopes, isProviderId },
    ...{ clock, scheduler, log: () => undefined, keysAt: server.addressOf },
  })
}

describe('a token with', () => {
  test.each(Object.entries(forged))('%s is refused', async (_, forge) => {
    expect(await verifier.verify(forge())).toBeUndefined()
    expect(await verifier.verify(genuine)).toBeDefined()
  })

  test('any one character changed is refused', async () => {
    for (let index = 0; index < genuine.length; index++) {
      const other = genuine[index] === 'A' ? 'B' : 'A'
      const changed = genuine.slice(0, index) + other + genuine.slice(index + 1)
      expect([index, await verifier.verify(changed)]).toEqual([index, undefined])
    }
  })

  test('a fault in its claims makes no request to the issuer', async () => {
    const cold = verifierFor({})
    const asked = server.asked.length
    for (const name of ['the algorithm none', 'another audience', 'an unknown tenant', 'the address of a key set']) {
      const forge = forged[name]
      if (forge === undefined) throw new Error(`no forged token with ${name}`)
      await cold.verify(forge())
    }
    expect(server.asked.length).toBe(asked)
    await cold.verify(genuine)
    expect(server.asked.slice(asked)).toEqual([`/${tenant}`])
  })
})

describe('a genuine token', () => {
  const idOf = async (token: string, by = verifier) => (await by.verify(token))?.id

  test('speaks for the object of its tenant, never for a name', async () => {
    const named = { email: 'admin@example.com', upn: 'admin@example.com', preferred_username: 'admin', name: 'admin' }
    expect(await verifier.verify(claiming(named))).toMatchObject({ id: `entra:${tenant}:${objectId}`, appId })
  })

  test('is good up to 60 s after its end and from 60 s before its beginning', async () => {
    expect(await idOf(claiming({ exp: issuedAt - 59 }))).toBeDefined()
    expect(await idOf(claiming({ nbf: issuedAt + 60 }))).toBeDefined()
  })

  test('of another tenant of ours is verified with that tenant’s keys', async () => {
    const token = mint({ payload: { iss: issuerOf(otherTenant), tid: otherTenant }, by: otherTenantsKey })
    expect(await idOf(token)).toBe(`entra:${otherTenant}:${objectId}`)
    expect(await idOf(token, verifierFor({ tenants: [tenant] }))).toBeUndefined()
  })

  test('may come from any app where no list of apps is set', async () => {
    const open = verifierFor({ allowedApps: [] })
    expect(await idOf(claiming({ azp: objectId }), open)).toBeDefined()
    expect(await idOf(claiming({ azp: undefined }), open)).toBeUndefined()
  })

  const everything = expect.arrayContaining(['keys:read', 'keys:write', 'providers:write'])

  test.each<[string, object, { scopes: unknown; providerId: string | null }]>([
    ['operator: everything, everywhere', { roles: ['operator'] }, { scopes: everything, providerId: '*' }],
    [
      'scopes and a provider: these scopes there',
      { roles: ['keys:write', 'keys:read', 'provider:acme'] },
      { scopes: ['keys:read', 'keys:write'], providerId: 'acme' },
    ],
    [
      'unknown roles: nothing by them',
      { roles: ['keys:*', 'KEYS:READ', 'Operator', 'keys:read ', 'provider:acme'] },
      { scopes: [], providerId: 'acme' },
    ],
    ['no provider: none', { roles: ['keys:read'] }, { scopes: ['keys:read'], providerId: null }],
    ['two providers: none', { roles: ['provider:acme', 'provider:zeta'] }, { scopes: [], providerId: null }],
    ['one provider, twice', { roles: ['provider:acme', 'provider:acme'] }, { scopes: [], providerId: 'acme' }],
    ['a star for a provider: none', { roles: ['provider:*'] }, { scopes: [], providerId: null }],
    ['an empty provider: none', { roles: ['provider:'] }, { scopes: [], providerId: null }],
    ['a provider and operator', { roles: ['provider:acme', 'operator'] }, { scopes: everything, providerId: '*' }],
    ['no roles at all', { roles: undefined }, { scopes: [], providerId: null }],
    [
      'a user’s app: what its scopes say, where the user’s roles say',
      { scp: 'keys:read openid usage:read', roles: ['provider:acme', 'keys:write'] },
      { scopes: ['keys:read', 'usage:read'], providerId: 'acme' },
    ],
    [
      'an operator’s app: what its scopes say, everywhere',
      { scp: 'keys:read', roles: ['operator'] },
      { scopes: ['keys:read'], providerId: '*' },
    ],
    [
      'a user without a role: nowhere',
      { scp: 'keys:read operator provider:acme', roles: [] },
      { scopes: ['keys:read'], providerId: null },
    ],
    ['a user’s app without scopes: nothing', { scp: '', roles: ['operator'] }, { scopes: [], providerId: '*' }],
  ])('with %s', async (_, claims, expected) => {
    expect(await verifier.verify(claiming(claims))).toMatchObject(expected)
  })
})
