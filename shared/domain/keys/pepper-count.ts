import { endsAt, type Key } from './key.ts'

/** What the store knows of the peppers of its keys. */
export interface PepperRecord {
  /** When an instance last started with this pepper as that of new keys, by version. */
  readonly startedAt: Readonly<Record<string, Date>>
  /** The last complete count; null before the first. */
  readonly counted: PepperCount | null
  /** A count in progress; null between two. `after` is the position of its next page. */
  readonly counting: (PepperCount & { readonly after: string }) | null
}

/** How many live keys are found under each pepper as their newest, counted from `at` on. */
export interface PepperCount {
  readonly at: Date
  readonly keys: Readonly<Record<string, number>>
}

export const emptyPepperRecord: PepperRecord = { startedAt: {}, counted: null, counting: null }

/** A key as far as counting needs it. */
export type CountedKey = Pick<Key, 'pepperVersion' | 'revocation' | 'expiresAt' | 'graceUntil'>

/** A live key is neither revoked nor expired, and not past the grace period of its rotation. */
export function countLive(
  keys: Readonly<Record<string, number>>,
  page: readonly CountedKey[],
  now: Date,
): Readonly<Record<string, number>> {
  const sums = new Map(Object.entries(keys))
  for (const key of page) {
    if (key.revocation !== null || endsAt(key) <= now.getTime()) continue
    sums.set(key.pepperVersion, (sums.get(key.pepperVersion) ?? 0) + 1)
  }
  return Object.fromEntries(sums)
}

const DAY_MS = 24 * 60 * 60 * 1000
const REGISTERED_AGAIN_MS = 60 * 60 * 1000

/** Whether keys must be counted now: while more than one pepper is in use, and else once a day. */
export function needsCount({ startedAt, counted }: PepperRecord, peppers: number, now: Date): boolean {
  return peppers > 1 || Object.keys(startedAt).length > 1 || counted === null || isOlder(counted.at, DAY_MS, now)
}

/** Whether a count in progress may be continued: one that takes longer than a day begins again. */
export function mayContinue(counting: PepperRecord['counting'], now: Date): boolean {
  return counting !== null && !isOlder(counting.at, DAY_MS, now)
}

/** The record after an instance started with `version` for new keys; the same object where it says so already. */
export function registerStart(record: PepperRecord, version: string, now: Date): PepperRecord {
  const last = record.startedAt[version]
  if (last !== undefined && !isOlder(last, REGISTERED_AGAIN_MS, now)) return record
  return { ...record, startedAt: { ...record.startedAt, [version]: now } }
}

/** Why these peppers must not be used: live keys need one that is not among them. Undefined when none does. */
export function faultOfPeppers({ startedAt, counted }: PepperRecord, versions: readonly string[]): string | undefined {
  const known = new Set([...Object.keys(startedAt), ...Object.keys(counted?.keys ?? {})])
  for (const version of [...known].filter((one) => !versions.includes(one)).toSorted()) {
    const keys = counted?.keys[version] ?? 0
    if (keys > 0)
      return `KEY_PEPPERS lacks ${version}, under which ${keys} live keys are found: keep it as the last one`
    const started = startedAt[version]
    if (started !== undefined && (counted === null || counted.at <= started)) {
      return `KEY_PEPPERS lacks ${version}, whose keys were not counted since it was used: keep it until they are`
    }
  }
  return undefined
}

function isOlder(at: Date, ms: number, now: Date): boolean {
  return now.getTime() - at.getTime() >= ms
}
