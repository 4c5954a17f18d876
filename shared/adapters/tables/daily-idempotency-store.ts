import { dayName } from '../../domain/usage/calendar.ts'
import type { IdempotencyRecord, IdempotencyStore } from '../../ports/idempotency.ts'
import type { Clock } from '../../ports/runtime.ts'

/** Longer than a record counts and the clocks of two instances differ: then no caller needs a record of the day before. */
const OVERLAP_MS = 120_000

/**
 * Short-lived records in one store per UTC day, so that a day goes as a whole. In the first 2 minutes of a day a record
 * is in the stores of both days, and every change is made in the earlier one first. So a process that has not begun the
 * day, or is past its first minutes, meets a process in them in one store: clocks may differ by 15 s.
 */
export function dailyIdempotencyStore(
  storeOf: (day: string) => IdempotencyStore,
  clock: Pick<Clock, 'now'>,
): IdempotencyStore {
  /** The earlier day first. */
  const days = (): readonly string[] => {
    const now = clock.now()
    return [...new Set([dayName(new Date(now.getTime() - OVERLAP_MS)), dayName(now)])]
  }

  const replaceIn = async (day: string, record: IdempotencyRecord, version: string | null) => {
    if (version !== null) return storeOf(day).replace(record, version)
    return (await storeOf(day).insert(record)) === 'inserted' ? 'replaced' : 'stale'
  }

  return {
    async insert(record) {
      const inserted: string[] = []
      for (const day of days()) {
        if ((await storeOf(day).insert(record)) === 'exists') {
          for (const earlier of inserted) await storeOf(earlier).remove(record)
          return 'exists'
        }
        inserted.push(day)
      }
      return 'inserted'
    },
    async find(callerId, keyDigest) {
      const found = await Promise.all(
        days().map(async (day) => [day, await storeOf(day).find(callerId, keyDigest)] as const),
      )
      const value = chosen(
        found.flatMap(([, one]) => one?.value ?? []),
        clock.now(),
      )
      const versions = found.map(([day, one]): Part => [day, one?.version ?? null])
      return value && { value, version: JSON.stringify(versions) }
    },
    async replace(record, version) {
      const parts: readonly Part[] = JSON.parse(version)
      for (const [day, part] of parts) if ((await replaceIn(day, record, part)) === 'stale') return 'stale'
      return 'replaced'
    },
    async remove(record) {
      for (const day of days()) await storeOf(day).remove(record)
    },
  }
}

/** A day and the version of the record in its store; null where there is none. */
type Part = readonly [day: string, version: string | null]

/** Where the stores differ, a process crashed or is between two writes: an answer stands, else the attempt begun last. */
function chosen(found: readonly IdempotencyRecord[], now: Date): IdempotencyRecord | undefined {
  const records = found.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime())
  return records.find(({ answer, expiresAt }) => answer !== null && expiresAt > now) ?? records[0]
}
