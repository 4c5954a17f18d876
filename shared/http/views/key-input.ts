import type { GenerateKeyBody, PatchKeyBody } from '../../contracts/keys.ts'
import type { GenerateKeyInput } from '../../operations/keys/generate-key.ts'
import type { KeyChanges } from '../../operations/keys/patch-key.ts'
import type { Caller } from '../authenticate.ts'
import { resolveProvider } from '../authorize.ts'
import { toRateLimits } from './keys.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** The input of generate, with the provider resolved. Throws what `resolveProvider` throws. */
export function toNewKeyInput(
  body: GenerateKeyBody,
  caller: Caller,
  { keyId, now }: { readonly keyId: string; readonly now: Date },
): GenerateKeyInput {
  const days = body.expires_in_days
  return {
    keyId,
    providerId: providerOf(body, caller),
    name: body.name,
    description: body.description,
    ownerId: body.owner_id,
    scopes: body.scopes,
    notBefore: body.not_before,
    expiresAt: days === undefined ? body.expires_at : new Date(now.getTime() + days * DAY_MS),
    metadata: body.metadata,
    createdBy: caller.id,
    rotatedFrom: null,
    enabled: true,
    ipRestrictions: body.ip_restrictions,
    ...kindFields(body),
  }
}

function kindFields(body: GenerateKeyBody) {
  if (body.kind === 'management') {
    return { kind: body.kind, environment: null, rateLimits: [], quota: null }
  }
  return {
    kind: body.kind,
    environment: body.environment,
    rateLimits: toRateLimits(body.rate_limits),
    quota: body.quota,
  }
}

/** Passes `*`, all providers, through: `refuseEscalation` checks it later and gives the reason. */
function providerOf(body: GenerateKeyBody, caller: Caller): string {
  if (body.provider_id === '*') return '*'
  return resolveProvider(caller, body.provider_id, '#/provider_id').providerId
}

/** The changes of a patch. An absent field is left out; a `null` list becomes an empty one. */
export function toKeyChanges(body: PatchKeyBody): KeyChanges {
  const changes = {
    name: body.name,
    description: body.description,
    ownerId: body.owner_id,
    scopes: emptyIfNull(body.scopes),
    ipRestrictions: emptyIfNull(body.ip_restrictions),
    expiresAt: body.expires_at,
    enabled: body.enabled,
    rateLimits: emptyIfNull(body.rate_limits && toRateLimits(body.rate_limits)),
    quota: body.quota,
    metadata: body.metadata,
  }
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
}

function emptyIfNull<Item>(list: Item[] | null | undefined): Item[] | undefined {
  return list === null ? [] : list
}
