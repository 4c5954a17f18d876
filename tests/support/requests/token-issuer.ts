import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export const tenant = '11111111-2222-4333-8444-555555555555'
export const otherTenant = '66666666-7777-4888-9999-aaaaaaaaaaaa'
export const audience = 'api://auth-api'
export const appId = 'bbbbbbbb-cccc-4ddd-8eee-ffffffffffff'
export const objectId = '01234567-89ab-4cde-8f01-23456789abcd'
/** The tokens' time of issue, in seconds since the epoch: the start of manual time. */
export const issuedAt: number = Date.parse('2026-11-22T16:00:00Z') / 1000

/** A key pair with the `kid` by which a token names it. */
export interface NamedKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

const makeRsaKey = (kid: string, modulusLength = 2048): NamedKey => ({
  kid,
  ...generateKeyPairSync('rsa', { modulusLength }),
})

export const key: NamedKey = makeRsaKey('key-of-tenant')
export const nextKey: NamedKey = makeRsaKey('next-key-of-tenant')
export const otherTenantsKey: NamedKey = makeRsaKey('key-of-other-tenant')
export const attackersKey: NamedKey = makeRsaKey('key-of-attacker')
export const shortKey: NamedKey = makeRsaKey('short-key', 1024)
export const encryptionKey: NamedKey = makeRsaKey('encryption-key')
export const otherAlgorithmsKey: NamedKey = makeRsaKey('key-for-rs512')
export const curve: NamedKey = { kid: 'curve', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }

/** The key as a JWK (RFC 7517), with the fields of `change`. */
export function jwkOf({ kid, publicKey }: NamedKey, change: object = {}): object {
  return { ...publicKey.export({ format: 'jwk' }), use: 'sig', kid, ...change }
}

/** The tenant's key set: the key of its tokens, and keys for other purposes. */
export const keySet: readonly object[] = [
  jwkOf(key),
  jwkOf(shortKey),
  jwkOf(encryptionKey, { use: 'enc' }),
  jwkOf(otherAlgorithmsKey, { alg: 'RS512' }),
  { kty: 'oct', kid: 'secret', k: 'c2VjcmV0' },
  jwkOf(curve),
]

export const issuerOf = (tenantId: string): string => `https://login.microsoftonline.com/${tenantId}/v2.0`

/** An app's access token as Entra ID issues it, valid for an hour. */
export const parts = {
  header: { typ: 'JWT', alg: 'RS256', kid: key.kid },
  payload: {
    ...{ iss: issuerOf(tenant), aud: audience, tid: tenant, oid: objectId, sub: objectId, ver: '2.0' },
    ...{ azp: appId, azpacr: '1', iat: issuedAt, nbf: issuedAt, exp: issuedAt + 3600, roles: ['operator'] },
  },
} as const

interface Minting {
  readonly header?: object
  readonly payload?: object
  /** Default: the genuine key. The header names it. */
  readonly by?: NamedKey
  /** In place of RS256. */
  readonly signWith?: (input: Buffer) => Buffer
}

/** Mints the genuine token with these changes. An undefined part is left out. */
export function mint({ header = {}, payload = {}, by = key, signWith }: Minting = {}): string {
  const input = Buffer.from(
    `${encode({ ...parts.header, kid: by.kid, ...header })}.${encode({ ...parts.payload, ...payload })}`,
  )
  const signature = signWith === undefined ? sign('sha256', input, by.privateKey) : signWith(input)
  return `${input}.${signature.toString('base64url')}`
}

export const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url')

export const genuine: string = mint()
