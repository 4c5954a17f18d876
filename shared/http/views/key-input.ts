import type { GenerateKeyBody, PatchKeyBody } from '../../contracts/keys.ts'
import type { GenerateKeyInput } from '../../operations/keys/generate-key.ts'
import type { KeyChanges } from '../../operations/keys/patch-key.ts'
import type { Caller } from '../authenticate.ts'
import { resolveProvider } from '../authorize.ts'
import { toRateLimits } from './keys.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** What a generate request asks for, with the provider resolved. Throws what `resolveProvider` throws. */
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

/** `*` is no provider: it needs the right over all of them, and escalation is refused later, with the reason. */
function providerOf(body: GenerateKeyBody, caller: Caller): string {
  if (body.provider_id === '*') return '*'
  return resolveProvider(caller, body.provider_id, '#/provider_id').providerId
}

/** The changes that a patch asks for: what is absent is left out, and a `null` list is an empty one. */
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
