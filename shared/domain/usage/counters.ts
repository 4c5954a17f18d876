import { dayOfHour } from './calendar.ts'
import { boundEndpoints } from './endpoint-names.ts'
import { erasedCounters } from './erasure.ts'
import { laterRevokedUse, revokedUseOf } from './revoked-use.ts'
import type { DayCounters, RevokedUse, UsageDelta } from './usage.ts'

/** A unique name for a key: neither id can contain a `|`. */
export function keyName(key: Pick<UsageDelta, 'providerId' | 'keyId'>): string {
  return `${key.providerId}|${key.keyId}`
}

/** The number of uses in the deltas. */
export function countOf(deltas: readonly UsageDelta[]): number {
  return deltas.reduce((sum, delta) => sum + delta.count, 0)
}

/**
 * Returns the counters after adding the deltas, all of one partition: one entry for each key that a delta names.
 * `before` returns the counters that a key had. Neither the order of the deltas nor their split over calls changes a
 * counter; the same holds for the endpoints while there are at most 50. Counters of an erased key keep their owner, and
 * get no address.
 */
export function addDeltas(
  before: (name: string) => DayCounters | undefined,
  deltas: readonly UsageDelta[],
): readonly DayCounters[] {
  const tallies = new Map<string, Tally>()
  for (const delta of deltas) {
    const name = keyName(delta)
    let tally = tallies.get(name)
    if (tally === undefined) {
      tally = startTally(before(name), delta)
      tallies.set(name, tally)
    }
    addDelta(tally, delta)
  }
  return [...tallies].map(([name, tally]) => {
    const counters = finishTally(tally)
    const earlier = before(name)
    return earlier?.erased ? erasedCounters(counters, () => earlier.ownerId) : counters
  })
}

type LastUse = Pick<DayCounters, 'lastUsedAt' | 'lastIpHash' | 'ownerId'>

interface Tally {
  readonly key: Pick<DayCounters, 'providerId' | 'keyId' | 'environment' | 'day'>
  readonly hours: number[]
  readonly deniedHours: number[]
  readonly outcomes: Map<string, number>
  readonly statusClasses: Map<string, number>
  readonly endpoints: Map<string, number>
  total: number
  last: LastUse
  lastRevoked: RevokedUse | null
}

function startTally(before: DayCounters | undefined, delta: UsageDelta): Tally {
  return {
    key: {
      providerId: delta.providerId,
      keyId: delta.keyId,
      environment: delta.environment,
      day: dayOfHour(delta.hour),
    },
    hours: before ? [...before.hours] : new Array(24).fill(0),
    deniedHours: before ? [...before.deniedHours] : new Array(24).fill(0),
    outcomes: new Map(Object.entries(before?.outcomes ?? {})),
    statusClasses: new Map(Object.entries(before?.statusClasses ?? {})),
    endpoints: new Map(Object.entries(before?.endpoints ?? {})),
    total: before?.total ?? 0,
    last: before ?? delta,
    lastRevoked: before?.lastRevokedUse ?? null,
  }
}

function addDelta(tally: Tally, delta: UsageDelta): void {
  const hour = Number(delta.hour.slice(8, 10))
  tally.total += delta.count
  tally.hours[hour] = (tally.hours[hour] ?? 0) + delta.count
  if (delta.outcome !== 'VALID') tally.deniedHours[hour] = (tally.deniedHours[hour] ?? 0) + delta.count
  raise(tally.outcomes, delta.outcome, delta.count)
  raise(tally.statusClasses, delta.statusClass, delta.count)
  raise(tally.endpoints, delta.endpoint, delta.count)
  if (isLater(delta, tally.last)) tally.last = delta
  tally.lastRevoked = laterRevokedUse(tally.lastRevoked, revokedUseOf(delta))
}

function raise(counts: Map<string, number>, name: string, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by)
}

/** A total order: two uses in the same millisecond give the same result in any order. */
function isLater(a: LastUse, b: LastUse): boolean {
  if (a.lastUsedAt !== b.lastUsedAt) return a.lastUsedAt > b.lastUsedAt
  if (a.lastIpHash !== b.lastIpHash) return (a.lastIpHash ?? '') > (b.lastIpHash ?? '')
  return (a.ownerId ?? '') > (b.ownerId ?? '')
}

/** `Object.fromEntries` makes an own property of any name, even of `__proto__`. */
function finishTally(tally: Tally): DayCounters {
  return {
    ...tally.key,
    ownerId: tally.last.ownerId,
    total: tally.total,
    hours: tally.hours,
    deniedHours: tally.deniedHours,
    outcomes: Object.fromEntries(tally.outcomes),
    statusClasses: Object.fromEntries(tally.statusClasses),
    endpoints: Object.fromEntries(boundEndpoints(tally.endpoints)),
    lastUsedAt: tally.last.lastUsedAt,
    lastIpHash: tally.last.lastIpHash,
    lastRevokedUse: tally.lastRevoked,
  }
}
