import type { PseudonymOf } from '../keys/erasure.ts'
import type { DayCounters, RevokedUse, UsageDelta } from './usage.ts'

/** A key whose uses lose their owner and their addresses. */
export interface ErasedKey {
  readonly providerId: string
  readonly keyId: string
  readonly pseudonymOf: PseudonymOf
}

/** The same counts without owner and addresses, marked so that later uses bring neither back. */
export function erasedCounters(counters: DayCounters, pseudonymOf: PseudonymOf): DayCounters {
  return {
    ...counters,
    ownerId: pseudonymOf(counters.ownerId),
    lastIpHash: null,
    lastRevokedUse: withoutAddress(counters.lastRevokedUse),
    erased: true,
  }
}

/** Counters of no use, marked as erased: what is counted into them has no owner and no address. */
export function erasedDay(
  key: Pick<DayCounters, 'providerId' | 'keyId' | 'ownerId' | 'environment'>,
  day: string,
): DayCounters {
  return {
    ...{ providerId: key.providerId, keyId: key.keyId, ownerId: key.ownerId, environment: key.environment, day },
    ...{ total: 0, hours: new Array(24).fill(0), deniedHours: new Array(24).fill(0) },
    ...{ outcomes: {}, statusClasses: {}, endpoints: {}, lastUsedAt: '', lastIpHash: null, lastRevokedUse: null },
    erased: true,
  }
}

/** The same uses without owner and addresses. Returns the same object where there is nothing to change. */
export function erasedDelta(delta: UsageDelta, pseudonymOf: PseudonymOf): UsageDelta {
  const ownerId = pseudonymOf(delta.ownerId)
  if (ownerId === delta.ownerId && delta.lastIpHash === null && delta.lastIp === null) return delta
  return { ...delta, ownerId, lastIpHash: null, lastIp: null }
}

/** `erasedDelta` for the uses of the key; the same object where none changes. */
export function erasedDeltas(deltas: readonly UsageDelta[], { keyId, pseudonymOf }: ErasedKey): readonly UsageDelta[] {
  const changed = deltas.map((delta) => (delta.keyId === keyId ? erasedDelta(delta, pseudonymOf) : delta))
  return changed.some((delta, index) => delta !== deltas[index]) ? changed : deltas
}

/** The same use without its address. */
export function withoutAddress(use: RevokedUse | null): RevokedUse | null {
  return use && { ...use, clientIp: null }
}
