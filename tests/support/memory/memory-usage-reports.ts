import { withoutAddress } from '../../../shared/domain/usage/erasure.ts'
import { partitionName } from '../../../shared/domain/usage/partition.ts'
import type { ProviderDay } from '../../../shared/domain/usage/provider-totals.ts'
import type { DayCounters, UsagePartition } from '../../../shared/domain/usage/usage.ts'
import type { Versioned } from '../../../shared/ports/store.ts'
import type { ScannedCounters } from '../../../shared/ports/usage.ts'
import type { RollUpMarks, UsageCopies, UsageReports } from '../../../shared/ports/usage-reports.ts'

export interface MemoryUsageReports extends UsageReports, UsageCopies {
  /** Everything that is stored. */
  held(): { readonly keyDays: readonly ScannedCounters[]; readonly totals: readonly ProviderDay[] }
}

/** UsageReports and UsageCopies in memory. */
export function memoryUsageReports(): MemoryUsageReports {
  const keyDays = new Map<string, ScannedCounters>()
  const totals = new Map<string, Versioned<ProviderDay>>()
  const lastUses = new Map<string, string>()
  let writes = 0

  const daysOf = (providerId: string, first: string, last: string): readonly DayCounters[] =>
    [...keyDays.values()]
      .filter((row) => row.providerId === providerId && row.day >= first && row.day <= last)
      .map(({ version: _, ...counters }) => ({ ...counters, lastIpHash: null }))

  return {
    held: () => ({ keyDays: [...keyDays.values()], totals: [...totals.values()].map(({ value }) => value) }),
    putKeyDays: async ({ providerId }, copies) => {
      for (const copy of copies) {
        const name = `${providerId}|${copy.keyId}`
        if ((keyDays.get(`${name}|${copy.day}`)?.version ?? 0) < copy.version) keyDays.set(`${name}|${copy.day}`, copy)
        if ((lastUses.get(name) ?? '') < copy.lastUsedAt) lastUses.set(name, copy.lastUsedAt)
      }
    },
    eraseKey: async ({ providerId }, { keyId, pseudonymOf }) => {
      let changed = 0
      for (const [name, row] of keyDays) {
        const ownerId = pseudonymOf(row.ownerId)
        const isClean = ownerId === row.ownerId && (row.lastRevokedUse?.clientIp ?? null) === null
        if (row.providerId !== providerId || row.keyId !== keyId || isClean) continue
        keyDays.set(name, { ...row, ownerId, lastRevokedUse: withoutAddress(row.lastRevokedUse) })
        changed++
      }
      return changed
    },
    findTotals: async ({ providerId }, day) => totals.get(`${providerId}|${day}`),
    putTotals: async ({ providerId }, value, version) => {
      const name = `${providerId}|${value.day}`
      if ((totals.get(name)?.version ?? null) !== version) return 'stale'
      totals.set(name, { value, version: `v${++writes}` })
      return 'stored'
    },
    keyDays: async ({ providerId }, keyId, { first, last }) =>
      daysOf(providerId, first, last).filter((row) => row.keyId === keyId),
    totals: async ({ providerId }, { first, last }) =>
      [...totals.values()]
        .map(({ value }) => value)
        .filter((row) => row.providerId === providerId && row.day >= first && row.day <= last),
    async *allKeyDays({ providerId }, { first, last }) {
      yield* daysOf(providerId, first, last)
    },
    lastUsed: async ({ providerId }, keyIds) =>
      new Map(
        keyIds.flatMap((keyId) => {
          const at = lastUses.get(`${providerId}|${keyId}`)
          return at === undefined ? [] : [[keyId, at] as const]
        }),
      ),
  }
}

export interface MemoryRollUpMarks extends RollUpMarks {
  held(partition: UsagePartition): number
}

export function memoryRollUpMarks(): MemoryRollUpMarks {
  const marks = new Map<string, number>()
  const requests = new Map<string, string>()
  let made = 0
  return {
    request: async (day) => {
      requests.set(day, `v${++made}`)
    },
    requested: async () => [...requests].map(([day, version]) => ({ day, version })),
    fulfil: async ({ day, version }) => {
      if (requests.get(day) === version) requests.delete(day)
    },
    held: (partition) => marks.get(partitionName(partition)) ?? 0,
    read: async (partition) => marks.get(partitionName(partition)) ?? 0,
    write: async (partition, batches) => {
      marks.set(partitionName(partition), batches)
    },
  }
}
