import type { RateLimit } from './key.ts'

/**
 * How the limits of a key, or of a provider, are counted over its rotations and edits. A key that was neither rotated
 * nor edited has none: it counts under its own id, each limit under its own name.
 */
export interface LimitLineage {
  /** The key that the rotations began with. Null for a provider. */
  readonly keyId: string | null
  /** Grows with every edit of the limits. */
  readonly version: number
  /** The record of each rate limit that is not counted under its own name. */
  readonly records: Readonly<Record<string, string>>
}

/** What an edit replaces. */
interface CountedLimits {
  readonly rateLimits: readonly RateLimit[]
  readonly lineage: LimitLineage | null
}

/** The record under which a rate limit counts. */
export function recordOf(lineage: LimitLineage | null, name: string): string {
  return lineage !== null && Object.hasOwn(lineage.records, name) ? (lineage.records[name] ?? name) : name
}

/**
 * The lineage after an edit. Every limit keeps counting in the record of the limit that it replaces: first one of the
 * same window, else of the same name, else any that the edit removes. A limit that replaces none gets a record of its
 * own. The version grows, whatever the clock of the editing instance shows.
 */
export function editedLineage(before: CountedLimits, rateLimits: readonly RateLimit[], now: Date): LimitLineage {
  const old = before.rateLimits.map((limit) => ({ limit, record: recordOf(before.lineage, limit.name) }))
  const chosen = new Map<RateLimit, string>()
  const taken = new Set<string>()
  const matches: readonly ((a: RateLimit, b: RateLimit) => boolean)[] = [
    (a, b) => isSameWindow(a, b) && a.name === b.name,
    isSameWindow,
    (a, b) => a.name === b.name,
    () => true,
  ]
  for (const isMatch of matches) {
    for (const limit of rateLimits.filter((candidate) => !chosen.has(candidate))) {
      const found = old.find(({ limit: replaced, record }) => !taken.has(record) && isMatch(limit, replaced))
      if (found === undefined) continue
      chosen.set(limit, found.record)
      taken.add(found.record)
    }
  }
  const records = rateLimits.map((limit) => [limit.name, chosen.get(limit) ?? freeRecord(limit.name, taken)] as const)
  return {
    keyId: before.lineage?.keyId ?? null,
    version: Math.max((before.lineage?.version ?? 0) + 1, now.getTime()),
    records: Object.fromEntries(records.filter(([name, record]) => name !== record)),
  }
}

/** The lineage of a rotated key's successor. */
export function inheritedLineage(key: { readonly keyId: string; readonly lineage: LimitLineage | null }): LimitLineage {
  return {
    keyId: key.lineage?.keyId ?? key.keyId,
    version: key.lineage?.version ?? 0,
    records: key.lineage?.records ?? {},
  }
}

/** A `~` is in no name, so no later limit of that name meets the record by chance. */
function freeRecord(name: string, taken: Set<string>): string {
  let record = name
  for (let number = 2; taken.has(record); number++) record = `${name}~${number}`
  taken.add(record)
  return record
}

function isSameWindow(a: RateLimit, b: RateLimit): boolean {
  return a.windowSeconds === b.windowSeconds && a.strategy === b.strategy
}
