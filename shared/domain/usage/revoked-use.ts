import { canonicalAddress } from '../access/ip-address.ts'
import type { DayCounters, RevokedUse, UsageDelta } from './usage.ts'

/** How often a key was used after it was revoked, and the last of these uses. */
export interface UsesAfterRevocation {
  readonly count: number
  readonly last: RevokedUse
}

/**
 * The address that a delta keeps as it is: of a use of a revoked key, which is evidence. null for every other use, and
 * for what is no address. At most 39 characters.
 */
export function evidentIp(outcome: UsageDelta['outcome'], clientIp: string | null): string | null {
  if (outcome !== 'REVOKED' || clientIp === null) return null
  return canonicalAddress(clientIp)
}

/** The use that a delta tells of, where it is one of a revoked key. */
export function revokedUseOf(delta: UsageDelta): RevokedUse | null {
  if (delta.outcome !== 'REVOKED') return null
  return { at: delta.lastUsedAt, endpoint: delta.endpoint, clientIp: delta.lastIp }
}

/** The later one. A total order: the same result in whatever order uses are added. */
export function laterRevokedUse(a: RevokedUse | null, b: RevokedUse | null): RevokedUse | null {
  if (a === null || b === null) return a ?? b
  return rankOf(a) > rankOf(b) ? a : b
}

/** Adds up days; null where a revoked key was not used. */
export function sumRevokedUses(rows: readonly Pick<DayCounters, 'outcomes' | 'lastRevokedUse'>[]) {
  const count = rows.reduce((sum, { outcomes }) => sum + (outcomes.REVOKED ?? 0), 0)
  const last = rows.map(({ lastRevokedUse }) => lastRevokedUse).reduce(laterRevokedUse, null)
  return last === null ? null : ({ count, last } satisfies UsesAfterRevocation)
}

/** Neither an instant nor an address has a blank in it. */
function rankOf({ at, clientIp, endpoint }: RevokedUse): string {
  return `${at} ${clientIp ?? ''} ${endpoint}`
}
