import type { JWTVerifyOptions } from 'jose'
import * as z from 'zod'
import type { ManagementScope } from '../../domain/access/scope.ts'
import type { TokenIdentity, TokenVerifier } from '../../ports/access.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import type { Config } from '../../runtime/config.ts'
import { type EntraKeys, entraKeys } from './entra-keys.ts'

const AUTHORITY = 'https://login.microsoftonline.com'
const SKEW_SECONDS = 60
const MAX_LENGTH = 16 * 1024
const OPERATOR_ROLE = 'operator'
const PROVIDER_ROLE = 'provider:'

const absent = z.never().optional()
const Header = z.object({
  alg: z.literal('RS256'),
  typ: z.literal('JWT'),
  kid: z.string().min(1).max(128),
  // These would let a token name its own key, or an extension that we do not implement.
  ...{ jku: absent, jwk: absent, x5u: absent, x5c: absent, crit: absent },
})

interface EntraTokensOptions {
  readonly settings: NonNullable<Config['entra']>
  /** The scopes that a token can grant. */
  readonly scopes: readonly ManagementScope[]
  readonly isProviderId: (text: string) => boolean
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  /** Where a tenant publishes its keys. Only tests set it: a token's issuer is always Entra ID. */
  readonly keysAt?: (tenantId: string) => string
}

/**
 * Verifies access tokens of Entra ID, version 2.0: signed with RS256 by a key of the issuing tenant, which is one of ours;
 * for our audience; valid now, with 60 s of clock skew; requested by an allowed app where the settings list any.
 */
export function entraTokens(options: EntraTokensOptions): TokenVerifier {
  const { settings, clock, keysAt = (tenantId) => `${AUTHORITY}/${tenantId}/discovery/v2.0/keys` } = options
  const keys = entraKeys({ ...options, addressOf: keysAt })
  const Claims = claimsOf(settings)
  return {
    async verify(token) {
      const unverified = decode(token)
      const header = Header.safeParse(unverified?.header)
      // A token refused here costs no key lookup: only callers of our own tenants can cause those.
      const claims = Claims.safeParse(unverified?.payload)
      if (!header.success || !claims.success) return undefined
      const { tid } = claims.data
      if (!(await isSigned(token, { keys, tenantId: tid, keyId: header.data.kid, now: clock.now() }))) return undefined
      return toIdentity(claims.data, options)
    },
  }
}

function claimsOf({ tenants, audience, allowedApps }: EntraTokensOptions['settings']) {
  return z
    .object({
      iss: z.string(),
      aud: z.literal(audience),
      tid: z.string().refine((tenantId) => tenants.includes(tenantId)),
      oid: z.guid(),
      ver: z.literal('2.0'),
      // Only access tokens have this claim: an ID token is refused.
      azp: z.guid().refine((appId) => allowedApps.length === 0 || allowedApps.includes(appId)),
      exp: z.int(),
      nbf: z.int(),
      iat: z.int(),
      roles: z.array(z.string()).max(1000).default([]),
      scp: z.string().optional(),
    })
    .refine(({ iss, tid }) => iss === issuerOf(tid))
}
type Claims = z.output<ReturnType<typeof claimsOf>>

function issuerOf(tenantId: string): string {
  return `${AUTHORITY}/${tenantId}/v2.0`
}

interface Unverified {
  readonly header: unknown
  readonly payload: unknown
}

/** Returns undefined unless the token is a JWS of three parts in canonical base64url without padding. */
function decode(token: string): Unverified | undefined {
  const parts = token.length > MAX_LENGTH ? [] : token.split('.')
  const [header, payload, signature] = parts.map((part) => Buffer.from(part, 'base64url'))
  if (header === undefined || payload === undefined || signature === undefined) return undefined
  const written = [header, payload, signature].map((bytes) => bytes.toString('base64url')).join('.')
  if (written !== token) return undefined
  try {
    return { header: JSON.parse(header.toString()), payload: JSON.parse(payload.toString()) }
  } catch {
    return undefined
  }
}

interface Signing {
  readonly keys: EntraKeys
  readonly tenantId: string
  readonly keyId: string
  readonly now: Date
}

/** Whether the tenant's key signed the token, and the token is within its validity period. */
async function isSigned(token: string, { keys, tenantId, keyId, now }: Signing): Promise<boolean> {
  const key = await keys.find(tenantId, keyId)
  if (key === undefined) return false
  // Loaded with the first token: an app without Entra ID never pays for it.
  const [{ jwtVerify }, { JOSEError }] = await Promise.all([import('jose/jwt/verify'), import('jose/errors')])
  const rules: JWTVerifyOptions = {
    algorithms: ['RS256'],
    issuer: issuerOf(tenantId),
    clockTolerance: SKEW_SECONDS,
    currentDate: now,
  }
  try {
    await jwtVerify(token, key, rules)
    return true
  } catch (error) {
    if (error instanceof JOSEError) return false
    throw error
  }
}

type KnownNames = Pick<EntraTokensOptions, 'scopes' | 'isProviderId'>

/**
 * The identity that a token speaks for. Its roles alone bind it to providers: an administrator assigned them. Its scopes
 * are the roles of an app, or the scopes that an app has for its user.
 */
function toIdentity({ tid, oid, azp, roles, scp }: Claims, known: KnownNames): TokenIdentity {
  const operator = roles.includes(OPERATOR_ROLE)
  const granted = scp === undefined ? roles : scp.split(' ')
  const everything = operator && scp === undefined
  return {
    id: `entra:${tid}:${oid}`,
    appId: azp,
    scopes: known.scopes.filter((scope) => everything || granted.includes(scope)),
    providerId: operator ? '*' : providerOf(roles, known),
  }
}

function providerOf(roles: readonly string[], { isProviderId }: KnownNames): string | null {
  const ids = roles.filter((role) => role.startsWith(PROVIDER_ROLE)).map((role) => role.slice(PROVIDER_ROLE.length))
  const [id, another] = [...new Set(ids)]
  return id !== undefined && another === undefined && isProviderId(id) ? id : null
}
