import type { PatchKeyBody } from '../../contracts/keys.ts'
import type { KeyChanges } from '../../operations/keys/patch-key.ts'
import { toRateLimits } from './rate-limits.ts'

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
