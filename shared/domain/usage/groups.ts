import type { UsageRange } from './range.ts'
import { usesWithin } from './report.ts'
import type { DayCounters } from './usage.ts'

const MAX_GROUPS = 1000

export type UsageGrouping = 'key' | 'owner' | 'environment' | 'endpoint'

/** `denied` and `lastUsedAt` are null for endpoints, where only uses are counted. */
interface UsageGroup {
  /** Key id, owner id, environment or endpoint; null for keys without an owner. */
  readonly group: string | null
  readonly total: number
  readonly denied: number | null
  readonly lastUsedAt: string | null
}

/** The 1,000 groups with the most uses, in descending order; `other` sums up the rest. */
export interface GroupedUsage {
  readonly groups: readonly UsageGroup[]
  readonly other: { readonly groups: number; readonly total: number } | null
}

type KeyDay = Pick<
  DayCounters,
  'keyId' | 'ownerId' | 'environment' | 'day' | 'total' | 'hours' | 'deniedHours' | 'lastUsedAt'
>

/** Adds up a stream of rows. Holds one entry per group and no row. */
export interface GroupSums {
  add(row: KeyDay): void
  result(): GroupedUsage
}

/** Groups the rows of a provider's keys. Ignores rows without a use inside the range. */
export function groupSums(grouping: Exclude<UsageGrouping, 'endpoint'>, range: UsageRange): GroupSums {
  const groups = new Map<string | null, { total: number; denied: number; lastUsedAt: string }>()
  return {
    add(row) {
      const { total, denied } = usesWithin(range, row)
      if (total === 0) return
      const name = nameOf(row, grouping)
      const known = groups.get(name) ?? { total: 0, denied: 0, lastUsedAt: '' }
      known.total += total
      known.denied += denied
      if (row.lastUsedAt > known.lastUsedAt) known.lastUsedAt = row.lastUsedAt
      groups.set(name, known)
    },
    result: () => busiest([...groups].map(([group, sums]) => ({ group, ...sums }))),
  }
}

/** Groups by endpoint, from counts by endpoint. */
export function endpointGroups(byEndpoint: Readonly<Record<string, number>>): GroupedUsage {
  return busiest(Object.entries(byEndpoint).map(([group, total]) => ({ group, total, denied: null, lastUsedAt: null })))
}

function nameOf(row: KeyDay, grouping: Exclude<UsageGrouping, 'endpoint'>): string | null {
  switch (grouping) {
    case 'key':
      return row.keyId
    case 'owner':
      return row.ownerId
    case 'environment':
      return row.environment
  }
}

function busiest(groups: readonly UsageGroup[]): GroupedUsage {
  const sorted = groups.toSorted((a, b) => b.total - a.total || compare(a.group ?? '', b.group ?? ''))
  const rest = sorted.slice(MAX_GROUPS)
  const total = rest.reduce((sum, group) => sum + group.total, 0)
  return { groups: sorted.slice(0, MAX_GROUPS), other: rest.length === 0 ? null : { groups: rest.length, total } }
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
