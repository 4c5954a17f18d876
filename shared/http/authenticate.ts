import type { HttpRequest } from '@azure/functions'
import type { Services } from '../app/services.ts'
import { addressAllowed } from '../domain/access/ip-rule.ts'
import { everyProvider, oneProvider, type ProviderScope } from '../domain/access/provider-scope.ts'
import { AppError, isOutage } from '../domain/errors.ts'
import { type Key, keyStatus } from '../domain/keys/key.ts'
import { readPrefix } from '../domain/keys/key-format.ts'

/** Who calls the management API. */
export interface Caller {
  /** `admin`, the key_id of a management key, or the id of a token: what `created_by` and `revoked_by` show. */
  readonly id: string
  readonly scope: ProviderScope
  /** null for the admin key, which may do everything. */
  readonly scopes: readonly string[] | null
  /** The address rules that the caller's own key is bound to; empty for none. */
  readonly ipRestrictions: readonly string[]
}

/** Who calls about the very key it presents. */
export interface Holder {
  readonly key: Key
  readonly scope: ProviderScope
}

/** What a request shows of who sent it. */
export interface Presented {
  readonly request: HttpRequest
  readonly clientIp: string | null
}

type AuthenticateNeeds = Pick<Services, 'isAdminKey' | 'keyLookup' | 'clock' | 'tokens'>

/**
 * Who presents this request's credential: the admin key or a management key, as `X-API-Key` or as a bearer token, or a
 * token of Entra ID. Every refusal is one and the same `unauthenticated`, that of an address outside the key's rules too.
 * Throws `forbidden` for a token that is bound to no provider.
 */
export async function authenticateCaller(
  services: AuthenticateNeeds,
  { request, clientIp }: Presented,
): Promise<Caller> {
  const credential = readCredential(request)
  if (credential === undefined) throw unauthenticated()
  if (services.isAdminKey(credential)) return { id: 'admin', scope: everyProvider, scopes: null, ipRestrictions: [] }
  const prefix = readPrefix(credential)
  if (prefix === undefined && !request.headers.has('x-api-key')) return authenticateToken(services, credential)
  if (prefix !== 'mgmt') throw unauthenticated()
  const key = await findLiveKey(services, credential, clientIp)
  if (key?.kind !== 'management') throw unauthenticated()
  return {
    id: key.keyId,
    scope: key.providerId === '*' ? everyProvider : oneProvider(key.providerId),
    scopes: key.scopes,
    ipRestrictions: key.ipRestrictions,
  }
}

async function authenticateToken(services: AuthenticateNeeds, token: string): Promise<Caller> {
  const identity = await services.tokens?.verify(token)
  if (identity === undefined) throw unauthenticated()
  const { id, scopes, providerId } = identity
  if (providerId === null) {
    throw new AppError('forbidden', 'The token needs the role operator, or provider:<id> of exactly one provider.')
  }
  if (providerId === '*') return { id, scopes, scope: everyProvider, ipRestrictions: [] }
  if (await isDisabled(services, providerId)) throw unauthenticated()
  return { id, scopes, scope: oneProvider(providerId), ipRestrictions: [] }
}

/**
 * The key that the request itself presents. `mayBeDead` also lets revoked, expired and disabled ones in, from any address:
 * whoever holds a key may end it.
 */
export async function authenticateHolder(
  services: AuthenticateNeeds,
  { request, clientIp }: Presented,
  { mayBeDead }: { readonly mayBeDead: boolean },
): Promise<Holder> {
  const credential = readCredential(request)
  const prefix = credential === undefined ? undefined : readPrefix(credential)
  if (credential === undefined || prefix === undefined || prefix === 'mgmt') throw unauthenticated()
  const key = mayBeDead ? await findAnyKey(services, credential) : await findLiveKey(services, credential, clientIp)
  if (key === undefined) throw unauthenticated()
  return { key, scope: oneProvider(key.providerId) }
}

/** As the store knows it, and while it does not answer, as it was known before: whoever holds a key may always end it. */
async function findAnyKey({ keyLookup }: AuthenticateNeeds, credential: string): Promise<Key | undefined> {
  try {
    return (await keyLookup.find(credential, true)).value
  } catch (error) {
    if (!isOutage(error)) throw error
    return (await keyLookup.find(credential, false)).value
  }
}

async function findLiveKey(
  services: AuthenticateNeeds,
  credential: string,
  clientIp: string | null,
): Promise<Key | undefined> {
  const { value: key = decoyKey } = await services.keyLookup.find(credential, false)
  if (!reachableFrom(key, clientIp)) return undefined
  const status = keyStatus(key, services.clock.now())
  if (status !== 'active' && status !== 'in_grace') return undefined
  return (await isDisabled(services, key.providerId)) ? undefined : key
}

/** What is asked of a key that nobody knows, so that its refusal takes the way, and the time, of a dead one's. */
const decoyKey: Key = {
  ...{ keyId: '', digest: '', pepperVersion: '', hint: '', providerId: '*', kind: 'api', environment: null, name: '' },
  ...{ description: null, ownerId: null, scopes: [], ipRestrictions: [], notBefore: null, expiresAt: null },
  ...{ rateLimits: [], quota: null, metadata: null, enabled: false, createdBy: '', rotatedFrom: null },
  ...{ createdAt: new Date(0), updatedAt: new Date(0), replacedBy: null, graceUntil: null },
  revocation: { at: new Date(0), by: '', reason: 'unspecified', text: null },
}

async function isDisabled({ keyLookup }: AuthenticateNeeds, providerId: string): Promise<boolean> {
  if (providerId === '*') return false
  return (await keyLookup.findProvider(providerId, false)).value?.status === 'disabled'
}

function reachableFrom({ ipRestrictions }: Key, clientIp: string | null): boolean {
  return ipRestrictions.length === 0 || addressAllowed(ipRestrictions, clientIp)
}

/** Whether nobody can say who this is without asking the store: a key of ours that is not remembered here. */
export function needsLookUp(
  { isAdminKey, keyLookup }: Pick<Services, 'isAdminKey' | 'keyLookup'>,
  { request }: Presented,
): boolean {
  const credential = readCredential(request)
  if (credential === undefined || isAdminKey(credential) || readPrefix(credential) === undefined) return false
  return !keyLookup.holds(credential)
}

/** Two different credentials at once are none: which of them was meant is not ours to guess. */
function readCredential({ headers }: HttpRequest): string | undefined {
  const apiKey = headers.get('x-api-key')?.trim() || undefined
  const bearer = /^Bearer +(\S+)\s*$/i.exec(headers.get('authorization') ?? '')?.[1]
  if (apiKey !== undefined && bearer !== undefined && apiKey !== bearer) return undefined
  return apiKey ?? bearer
}

function unauthenticated(): AppError {
  return new AppError(
    'unauthenticated',
    'No valid credential was presented. Send one key as X-API-Key, or as Authorization: Bearer.',
  )
}
