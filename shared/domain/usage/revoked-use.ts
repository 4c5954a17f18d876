import { canonicalAddress } from '../access/ip-address.ts'
import type { DayCounters, RevokedUse, UsageDelta } from './usage.ts'

/** How often a key was used after its revocation, and the last such use. */
export interface UsesAfterRevocation {
  readonly count: number
  readonly last: RevokedUse
}

/**
 * Returns the address that a delta stores in clear: only for a use of a revoked key, as evidence. Returns null for
 * every other use, and for text that is not an address. At most 39 characters.
 */
export function evidentIp(outcome: UsageDelta['outcome'], clientIp: string | null): string | null {
  if (outcome !== 'REVOKED' || clientIp === null) return null
  return canonicalAddress(clientIp)
}

/** Returns the use that a delta reports when its key was revoked, else null. */
export function revokedUseOf(delta: UsageDelta): RevokedUse | null {
  if (delta.outcome !== 'REVOKED') return null
  return { at: delta.lastUsedAt, endpoint: delta.endpoint, clientIp: delta.lastIp }
}

/** Returns the later use. A total order: the result does not depend on the order of the uses. */
export function laterRevokedUse(a: RevokedUse | null, b: RevokedUse | null): RevokedUse | null {
  if (a === null || b === null) return a ?? b
  return rankOf(a) > rankOf(b) ? a : b
}

/** Adds up days. Returns null when no revoked key was used. */
export function sumRevokedUses(rows: readonly Pick<DayCounters, 'outcomes' | 'lastRevokedUse'>[]) {
  const count = rows.reduce((sum, { outcomes }) => sum + (outcomes.REVOKED ?? 0), 0)
  const last = rows.map(({ lastRevokedUse }) => lastRevokedUse).reduce(laterRevokedUse, null)
  return last === null ? null : ({ count, last } satisfies UsesAfterRevocation)
}

/** Neither an instant nor an address contains a blank. */
function rankOf({ at, clientIp, endpoint }: RevokedUse): string {
  return `${at} ${clientIp ?? ''} ${endpoint}`
}
