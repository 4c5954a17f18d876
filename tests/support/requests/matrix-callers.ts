import { randomBytes } from 'node:crypto'
import { managementScopes } from '../../../shared/contracts/fields.ts'
import { everyProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import type { ManagementScope } from '../../../shared/domain/access/scope.ts'
import type { Key } from '../../../shared/domain/keys/key.ts'
import { generateSecret } from '../../../shared/domain/keys/key-format.ts'
import { patchKey } from '../../../shared/operations/keys/patch-key.ts'
import { putProvider } from '../../../shared/operations/keys/put-provider.ts'
import { writeRevocation } from '../../../shared/operations/keys/revoke-key.ts'
import type { TokenIdentity, TokenVerifier } from '../../../shared/ports/access.ts'
import { adminKey, type FakeServices } from '../memory/fake-services.ts'
import type { CallOptions } from './call.ts'
import { type HeldKey, makeKey, makeManager } from './callers.ts'

/** The expected result of a call about a resource of `acme`. */
export type Expected = 'allowed' | 'missing' | 'forbidden' | 'unauthenticated'

export interface MatrixCaller {
  readonly expected: Expected
  /** Whether an endpoint for operators lets this caller in. */
  readonly operator?: boolean
  readonly present: (services: FakeServices, needed: ManagementScope) => Promise<CallOptions>
}

const identity = (providerId: string | null, scopes: readonly ManagementScope[] = managementScopes): TokenIdentity => ({
  ...{ id: 'entra:tenant:object', appId: 'app', providerId, scopes },
})
const tokens: Readonly<Record<string, TokenIdentity>> = {
  'token.of.operator': identity('*'),
  'token.of.acme': identity('acme'),
  'token.of.zeta': identity('zeta'),
  'token.of.no-provider': identity(null),
  'token.without.scopes': identity('acme', []),
}

/** Accepts the tokens of the matrix; other tests cover token validation. */
export const matrixTokens: TokenVerifier = { verify: async (token) => tokens[token] }

const token = (text: string) => async () => ({ key: null, headers: { authorization: `Bearer ${text}` } })
const others = (needed: ManagementScope) => managementScopes.filter((scope) => scope !== needed)
const manager = (providerId: string) => (services: FakeServices) => makeManager(services, providerId, managementScopes)
const allow = () => undefined

/** A caller with a key after `change`. */
function after(
  make: (services: FakeServices) => Promise<HeldKey>,
  change: (services: FakeServices, key: Key) => Promise<unknown>,
) {
  return async (services: FakeServices): Promise<CallOptions> => {
    const { key, secret } = await make(services)
    await change(services, key)
    return { key: secret }
  }
}

const revoke = (services: FakeServices, { keyId }: Key) =>
  writeRevocation(services, everyProvider, { keyId, reason: 'policy', text: null, replacedBy: null, by: 'admin' })
const disable = (services: FakeServices, { keyId }: Key) =>
  patchKey(services, everyProvider, keyId, { enabled: false }, allow)
const bindElsewhere = (services: FakeServices, { keyId }: Key) =>
  patchKey(services, everyProvider, keyId, { ipRestrictions: ['192.0.2.7'] }, allow)
async function expire(services: FakeServices, { keyId }: Key) {
  const expiresAt = new Date(services.clock.now().getTime() + 1)
  await patchKey(services, everyProvider, keyId, { expiresAt }, allow)
  await services.time.advance(1)
}
function disableProvider(services: FakeServices, { providerId }: Key) {
  const quotas = { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null }
  const settings = { name: null, status: 'disabled', failMode: 'open', rateLimits: [], quotas } as const
  return putProvider(services, oneProvider(providerId), settings, 'admin')
}
const unchanged = async () => undefined

/** The callers of an endpoint that needs a scope, about a resource of `acme`. */
export const matrixCallers: Readonly<Record<string, MatrixCaller>> = {
  'the admin': { expected: 'allowed', operator: true, present: async () => ({ key: adminKey }) },
  'a manager of all providers': { expected: 'allowed', operator: true, present: after(manager('*'), unchanged) },
  'an operator’s token': { expected: 'allowed', operator: true, present: token('token.of.operator') },
  'its own manager': { expected: 'allowed', present: after(manager('acme'), unchanged) },
  'its own token': { expected: 'allowed', present: token('token.of.acme') },

  'another’s manager': { expected: 'missing', present: after(manager('zeta'), unchanged) },
  'another’s token': { expected: 'missing', present: token('token.of.zeta') },

  'its own manager without the scope': {
    expected: 'forbidden',
    present: (services, needed) => after(() => makeManager(services, 'acme', others(needed)), unchanged)(services),
  },
  'another’s manager without the scope': {
    expected: 'forbidden',
    present: (services, needed) => after(() => makeManager(services, 'zeta', others(needed)), unchanged)(services),
  },
  'its own token without scopes': { expected: 'forbidden', present: token('token.without.scopes') },
  'a token of no provider': { expected: 'forbidden', present: token('token.of.no-provider') },

  'a caller without a credential': { expected: 'unauthenticated', present: async () => ({ key: null }) },
  'an unknown manager': {
    expected: 'unauthenticated',
    present: async () => ({ key: generateSecret('mgmt', randomBytes) }),
  },
  'an invalid token': { expected: 'unauthenticated', present: token('token.that.is-invalid') },
  'its own manager, expired': { expected: 'unauthenticated', present: after(manager('acme'), expire) },
  'its own manager, revoked': { expected: 'unauthenticated', present: after(manager('acme'), revoke) },
  'its own manager, disabled': { expected: 'unauthenticated', present: after(manager('acme'), disable) },
  'its own manager, from elsewhere': { expected: 'unauthenticated', present: after(manager('acme'), bindElsewhere) },
  'another’s manager, expired': { expected: 'unauthenticated', present: after(manager('zeta'), expire) },
  'another’s manager, revoked': { expected: 'unauthenticated', present: after(manager('zeta'), revoke) },
  'a manager of all providers, revoked': { expected: 'unauthenticated', present: after(manager('*'), revoke) },
  'a manager of a disabled provider': {
    expected: 'unauthenticated',
    present: after(manager('asleep'), disableProvider),
  },
  'an API key of its own': { expected: 'unauthenticated', present: after((services) => makeKey(services), unchanged) },
  'an API key of another': {
    expected: 'unauthenticated',
    present: after((services) => makeKey(services, { providerId: 'zeta', scopes: managementScopes }), unchanged),
  },
}

/** The callers of an endpoint for holders. `inactive`: the key can still revoke itself. */
export const holderCallers: Readonly<Record<string, MatrixCaller & { readonly inactive?: boolean }>> = {
  'another key of the provider': { expected: 'allowed', present: after((services) => makeKey(services), unchanged) },
  'a key of another provider': {
    expected: 'allowed',
    present: after((services) => makeKey(services, { providerId: 'zeta' }), unchanged),
  },
  'a key, expired': {
    expected: 'unauthenticated',
    inactive: true,
    present: after((services) => makeKey(services), expire),
  },
  'a key, revoked': {
    expected: 'unauthenticated',
    inactive: true,
    present: after((services) => makeKey(services), revoke),
  },
  'a key, disabled': {
    expected: 'unauthenticated',
    inactive: true,
    present: after((services) => makeKey(services), disable),
  },
  'a key, from elsewhere': {
    expected: 'unauthenticated',
    inactive: true,
    present: after((services) => makeKey(services), bindElsewhere),
  },
  'a caller without a credential': { expected: 'unauthenticated', present: async () => ({ key: null }) },
  'an unknown key': {
    expected: 'unauthenticated',
    present: async () => ({ key: generateSecret('live', randomBytes) }),
  },
  'the admin': { expected: 'unauthenticated', present: async () => ({ key: adminKey }) },
  'its own manager': { expected: 'unauthenticated', present: after(manager('acme'), unchanged) },
  'its own token': { expected: 'unauthenticated', present: token('token.of.acme') },
}
