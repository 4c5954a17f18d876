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

/** What a call about a resource of `acme` comes to. */
export type Fate = 'allowed' | 'missing' | 'forbidden' | 'unauthenticated'

export interface MatrixCaller {
  readonly fate: Fate
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
  'token.of.nobody': identity(null),
  'token.without.scopes': identity('acme', []),
}

/** Knows the tokens of the matrix; which tokens are good is shown elsewhere. */
export const matrixTokens: TokenVerifier = { verify: async (token) => tokens[token] }

const token = (text: string) => async () => ({ key: null, headers: { authorization: `Bearer ${text}` } })
const others = (needed: ManagementScope) => managementScopes.filter((scope) => scope !== needed)
const manager = (providerId: string) => (services: FakeServices) => makeManager(services, providerId, managementScopes)
const allow = () => undefined

/** A caller with a key that something has happened to. */
function after(
  make: (services: FakeServices) => Promise<HeldKey>,
  happen: (services: FakeServices, key: Key) => Promise<unknown>,
) {
  return async (services: FakeServices): Promise<CallOptions> => {
    const { key, secret } = await make(services)
    await happen(services, key)
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
const keep = async () => undefined

/** Everybody who may call an endpoint that needs a scope, about a resource of `acme`. */
export const matrixCallers: Readonly<Record<string, MatrixCaller>> = {
  'the admin': { fate: 'allowed', operator: true, present: async () => ({ key: adminKey }) },
  'a manager of all providers': { fate: 'allowed', operator: true, present: after(manager('*'), keep) },
  'an operator’s token': { fate: 'allowed', operator: true, present: token('token.of.operator') },
  'its own manager': { fate: 'allowed', present: after(manager('acme'), keep) },
  'its own token': { fate: 'allowed', present: token('token.of.acme') },

  'another’s manager': { fate: 'missing', present: after(manager('zeta'), keep) },
  'another’s token': { fate: 'missing', present: token('token.of.zeta') },

  'its own manager without the scope': {
    fate: 'forbidden',
    present: (services, needed) => after(() => makeManager(services, 'acme', others(needed)), keep)(services),
  },
  'another’s manager without the scope': {
    fate: 'forbidden',
    present: (services, needed) => after(() => makeManager(services, 'zeta', others(needed)), keep)(services),
  },
  'its own token without scopes': { fate: 'forbidden', present: token('token.without.scopes') },
  'a token of no provider': { fate: 'forbidden', present: token('token.of.nobody') },

  nobody: { fate: 'unauthenticated', present: async () => ({ key: null }) },
  'an unknown manager': {
    fate: 'unauthenticated',
    present: async () => ({ key: generateSecret('mgmt', randomBytes) }),
  },
  'a token that is none': { fate: 'unauthenticated', present: token('token.that.is-none') },
  'its own manager, expired': { fate: 'unauthenticated', present: after(manager('acme'), expire) },
  'its own manager, revoked': { fate: 'unauthenticated', present: after(manager('acme'), revoke) },
  'its own manager, disabled': { fate: 'unauthenticated', present: after(manager('acme'), disable) },
  'its own manager, from elsewhere': { fate: 'unauthenticated', present: after(manager('acme'), bindElsewhere) },
  'another’s manager, expired': { fate: 'unauthenticated', present: after(manager('zeta'), expire) },
  'another’s manager, revoked': { fate: 'unauthenticated', present: after(manager('zeta'), revoke) },
  'a manager of all providers, revoked': { fate: 'unauthenticated', present: after(manager('*'), revoke) },
  'a manager of a disabled provider': { fate: 'unauthenticated', present: after(manager('asleep'), disableProvider) },
  'an API key of its own': { fate: 'unauthenticated', present: after((services) => makeKey(services), keep) },
  'an API key of another': {
    fate: 'unauthenticated',
    present: after((services) => makeKey(services, { providerId: 'zeta', scopes: managementScopes }), keep),
  },
}

/** Everybody who may call an endpoint for holders. A dead key may still end itself. */
export const holderCallers: Readonly<Record<string, MatrixCaller & { readonly dead?: boolean }>> = {
  'another key of the provider': { fate: 'allowed', present: after((services) => makeKey(services), keep) },
  'a key of another provider': {
    fate: 'allowed',
    present: after((services) => makeKey(services, { providerId: 'zeta' }), keep),
  },
  'a key, expired': { fate: 'unauthenticated', dead: true, present: after((services) => makeKey(services), expire) },
  'a key, revoked': { fate: 'unauthenticated', dead: true, present: after((services) => makeKey(services), revoke) },
  'a key, disabled': { fate: 'unauthenticated', dead: true, present: after((services) => makeKey(services), disable) },
  'a key, from elsewhere': {
    fate: 'unauthenticated',
    dead: true,
    present: after((services) => makeKey(services), bindElsewhere),
  },
  nobody: { fate: 'unauthenticated', present: async () => ({ key: null }) },
  'an unknown key': { fate: 'unauthenticated', present: async () => ({ key: generateSecret('live', randomBytes) }) },
  'the admin': { fate: 'unauthenticated', present: async () => ({ key: adminKey }) },
  'its own manager': { fate: 'unauthenticated', present: after(manager('acme'), keep) },
  'its own token': { fate: 'unauthenticated', present: token('token.of.acme') },
}
