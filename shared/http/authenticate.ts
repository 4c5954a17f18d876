import type { HttpRequest } from '@azure/functions'
import type { Services } from '../app/services.ts'
import { addressAllowed } from '../domain/access/ip-rule.ts'
import { everyProvider, oneProvider, type ProviderScope } from '../domain/access/provider-scope.ts'
import { AppError, isOutcomeOpen } from '../domain/errors.ts'
import { endsAt, type Key, keyStatus } from '../domain/keys/key.ts'
import { readPrefix } from '../domain/keys/key-format.ts'

/** A caller of the management API. */
export interface Caller {
  /** `admin`, the key_id of a management key, or the id of a token. `created_by` and `revoked_by` show it. */
  readonly id: string
  readonly scope: ProviderScope
  /** null for the admin key, which has every scope. */
  readonly scopes: readonly string[] | null
  /** The address rules of the caller's own key; empty for no rule. */
  readonly ipRestrictions: readonly string[]
  /** When the caller's own key ends, in ms since the epoch; Infinity for the admin key and for tokens. */
  readonly endsAtMs: number
}

/** A caller whose call is about the key it presents. */
export interface Holder {
  readonly key: Key
  readonly scope: ProviderScope
}

/** What authentication reads: the request and its client's address. */
export interface Presented {
  readonly request: HttpRequest
  readonly clientIp: string | null
}

const unbound = { ipRestrictions: [], endsAtMs: Infinity } as const

type AuthenticateNeeds = Pick<Services, 'isAdminKey' | 'keyLookup' | 'clock' | 'tokens'>

/**
 * Authenticates the admin key or a management key, sent as `X-API-Key` or as a bearer token, or a token of Entra ID.
 * Throws the same `unauthenticated` for every refusal, an address outside the key's rules included. Throws `forbidden`
 * for a token that is bound to no provider. Throws `store_unavailable` for a management key that only a stale entry
 * knows, unless `mayBeStale`.
 */
export async function authenticateCaller(
  services: AuthenticateNeeds,
  { request, clientIp }: Presented,
  { mayBeStale }: { readonly mayBeStale: boolean },
): Promise<Caller> {
  const credential = readCredential(request)
  if (credential === undefined) throw unauthenticated(request)
  if (services.isAdminKey(credential)) return { id: 'admin', scope: everyProvider, scopes: null, ...unbound }
  const prefix = readPrefix(credential)
  if (prefix === undefined && !request.headers.has('x-api-key')) return authenticateToken(services, credential)
  if (prefix !== 'mgmt') throw unauthenticated()
  const key = await findLiveKey(services, credential, clientIp, mayBeStale)
  if (key?.kind !== 'management') throw unauthenticated()
  return {
    id: key.keyId,
    scope: key.providerId === '*' ? everyProvider : oneProvider(key.providerId),
    scopes: key.scopes,
    ipRestrictions: key.ipRestrictions,
    endsAtMs: endsAt(key),
  }
}

async function authenticateToken(services: AuthenticateNeeds, token: string): Promise<Caller> {
  const identity = await services.tokens?.verify(token)
  if (identity === undefined) throw unauthenticated()
  const { id, scopes, providerId } = identity
  if (providerId === null) {
    throw new AppError('forbidden', 'The token needs the role operator, or provider:<id> of exactly one provider.')
  }
  if (providerId === '*') return { id, scopes, scope: everyProvider, ...unbound }
  if (await isDisabled(services, providerId)) throw unauthenticated()
  return { id, scopes, scope: oneProvider(providerId), ...unbound }
}

/**
 * Authenticates the request by the key it is about. Throws `unauthenticated`. `allowInactive` also accepts revoked,
 * expired and disabled keys, from any address: possession is enough to revoke a key.
 */
export async function authenticateHolder(
  services: AuthenticateNeeds,
  { request, clientIp }: Presented,
  { allowInactive }: { readonly allowInactive: boolean },
): Promise<Holder> {
  const credential = readCredential(request)
  if (credential === undefined) throw unauthenticated(request)
  const prefix = readPrefix(credential)
  if (prefix === undefined || prefix === 'mgmt') throw unauthenticated()
  const key = allowInactive ? await findAnyKey(services, credential) : await findLiveKey(services, credential, clientIp)
  if (key === undefined) throw unauthenticated()
  return { key, scope: oneProvider(key.providerId) }
}

/** Reads the store, and falls back to the cache where it cannot: a holder can always revoke its key. */
async function findAnyKey({ keyLookup }: AuthenticateNeeds, credential: string): Promise<Key | undefined> {
  try {
    return (await keyLookup.find(credential, true)).value
  } catch (error) {
    if (!isOutcomeOpen(error)) throw error
    return (await keyLookup.find(credential, false)).value
  }
}

async function findLiveKey(
  services: AuthenticateNeeds,
  credential: string,
  clientIp: string | null,
  mayBeStale = true,
): Promise<Key | undefined> {
  const { value: key = decoyKey, degraded } = await services.keyLookup.find(credential, false)
  if (degraded && !mayBeStale && key.revocation === null) throw unconfirmed()
  if (!reachableFrom(key, clientIp)) return undefined
  const status = keyStatus(key, services.clock.now())
  if (status !== 'active' && status !== 'in_grace') return undefined
  return (await isDisabled(services, key.providerId)) ? undefined : key
}

/** A decoy for unknown keys: they run the same checks as a revoked key, so timing cannot tell them apart. */
const decoyKey: Key = {
  ...{ keyId: '', digest: '', pepperVersion: '', hint: '', providerId: '*', kind: 'api', environment: null, name: '' },
  ...{ description: null, ownerId: null, scopes: [], ipRestrictions: [], notBefore: null, expiresAt: null },
  ...{ rateLimits: [], quota: null, metadata: null, enabled: false, createdBy: '', rotatedFrom: null },
  ...{ createdAt: new Date(0), updatedAt: new Date(0), replacedBy: null, graceUntil: null, lineage: null },
  revocation: { at: new Date(0), by: '', reason: 'unspecified', text: null },
}

async function isDisabled({ keyLookup }: AuthenticateNeeds, providerId: string): Promise<boolean> {
  if (providerId === '*') return false
  return (await keyLookup.findProvider(providerId, false)).value?.status === 'disabled'
}

function reachableFrom({ ipRestrictions }: Key, clientIp: string | null): boolean {
  return ipRestrictions.length === 0 || addressAllowed(ipRestrictions, clientIp)
}

/** Whether authentication would read the store: a key of our format that is not known here. Makes no request. */
export function needsLookup(
  { isAdminKey, keyLookup }: Pick<Services, 'isAdminKey' | 'keyLookup'>,
  { request }: Presented,
): boolean {
  const credential = readCredential(request)
  if (credential === undefined || isAdminKey(credential) || readPrefix(credential) === undefined) return false
  return !keyLookup.holds(credential)
}

/**
 * Returns undefined for two different credentials, since there is no telling which of them was meant, and for one with
 * characters that no credential has: it is not the one that was meant.
 */
function readCredential({ headers }: HttpRequest): string | undefined {
  const presented = presentedIn(headers)
  return presented.length === 1 && presented.every(isPlain) ? presented[0] : undefined
}

/** The distinct credentials of a request. */
function presentedIn(headers: HttpRequest['headers']): readonly string[] {
  const bearer = /^Bearer +(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  return [...new Set([headers.get('x-api-key') ?? '', bearer ?? ''])].filter((text) => text !== '')
}

function isPlain(credential: string): boolean {
  return /^[\x21-\x7e]+$/.test(credential)
}

function unconfirmed(): AppError {
  return new AppError('store_unavailable', 'The management key could not be confirmed. Try again.', {
    retryAfterSeconds: 1,
  })
}

/** Given the request, says what is wrong with the form of its credential: that tells nothing about a key. */
function unauthenticated(request?: HttpRequest): AppError {
  const hasWhitespace = request !== undefined && !presentedIn(request.headers).every(isPlain)
  return new AppError(
    'unauthenticated',
    hasWhitespace
      ? 'The credential has whitespace in it, or a character that no credential has: send it alone, as X-API-Key or as Authorization: Bearer.'
      : 'No valid credential was presented. Send one key as X-API-Key, or as Authorization: Bearer.',
  )
}
