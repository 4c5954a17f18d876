import { oneProvider, type ProviderScope } from '../../domain/access/provider-scope.ts'
import { dayName } from '../../domain/usage/calendar.ts'
import { shardOf } from '../../domain/usage/partition.ts'
import { type RangeRequest, resolveRange, spanOf } from '../../domain/usage/range.ts'
import { latest, notAfter, summarize, type UsageSummary } from '../../domain/usage/report.ts'
import { sumRevokedUses, type UsesAfterRevocation } from '../../domain/usage/revoked-use.ts'
import type { DayCounters } from '../../domain/usage/usage.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { UsageLedger } from '../../ports/usage.ts'
import type { UsageReports } from '../../ports/usage-reports.ts'
import { keyNotFound } from '../keys/change-key.ts'

interface ReadKeyUsageNeeds {
  readonly keys: Pick<KeyStore, 'findById'>
  readonly reports: Pick<UsageReports, 'keyDays' | 'lastUsed'>
  readonly ledger: Pick<UsageLedger, 'readCounters'>
  readonly clock: Clock
}

export interface KeyUsage extends UsageSummary {
  readonly keyId: string
  readonly providerId: string
  /** Covers the range widened to whole UTC days, like the `by…` counts. */
  readonly afterRevocation: UsesAfterRevocation | null
}

/**
 * Returns the uses of one key. `lastUsedAt` is its last use ever, also outside the range. Today and yesterday are read
 * from the ledger, older days from the roll-up's copies. Throws `key_not_found` for a missing key and for another
 * provider's alike, and `invalid_request` for a range that cannot be answered.
 */
export async function readKeyUsage(
  { keys, reports, ledger, clock }: ReadKeyUsageNeeds,
  scope: ProviderScope,
  keyId: string,
  request: RangeRequest,
): Promise<KeyUsage> {
  const now = clock.now()
  const range = resolveRange(request, now)
  const key = (await keys.findById(scope, keyId))?.value
  if (key === undefined) throw keyNotFound()
  const { providerId } = key
  const owner = oneProvider(providerId)
  const readLive = (day: string) => ledger.readCounters({ day, shard: shardOf(keyId) }, [{ providerId, keyId }])
  const span = spanOf(range)
  const [copies, lastUsed, ...live] = await Promise.all([
    reports.keyDays(owner, keyId, span),
    reports.lastUsed(owner, [keyId]),
    readLive(dayName(now)),
    readLive(dayName(now, 1)),
  ])
  const rows = overlay(copies, live.flat())
  const last = latest([...lastUsed.values(), ...rows.map(({ lastUsedAt }) => lastUsedAt)])
  const afterRevocation = sumRevokedUses(rows.filter(({ day }) => day >= span.first && day <= span.last))
  return { ...summarize(range, rows), lastUsedAt: last && notAfter(last, now), keyId, providerId, afterRevocation }
}

/** Live counters replace their copies, and are never older. Those of no use say that the key is erased. */
function overlay(copies: readonly DayCounters[], live: readonly DayCounters[]): readonly DayCounters[] {
  const used = [...copies, ...live].filter(({ total }) => total > 0)
  const days = new Map(used.map((row) => [row.day, row]))
  return [...days.values()]
}
