import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { endpointGroups, type GroupedUsage, groupSums, type UsageGrouping } from '../../domain/usage/groups.ts'
import type { ProviderDay } from '../../domain/usage/provider-totals.ts'
import { type RangeRequest, resolveRange, spanOf, type UsageRange } from '../../domain/usage/range.ts'
import { addCounts, notAfter, summarize, type UsageSummary } from '../../domain/usage/report.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { UsageReports } from '../../ports/usage-reports.ts'

interface ReadProviderUsageNeeds {
  readonly reports: Pick<UsageReports, 'totals' | 'allKeyDays'>
  readonly clock: Clock
}

export interface ProviderUsage extends UsageSummary {
  readonly providerId: string
  readonly grouping: UsageGrouping | null
  readonly grouped: GroupedUsage | null
}

/**
 * Returns the uses of all keys of a provider, as of the last roll-up. `lastUsedAt` is the last use on the days of the
 * range. Reads one row per day without a grouping and by endpoint, and runs one query over the keys' rows for the other
 * groupings. Throws `invalid_request` for a range that cannot be answered.
 */
export async function readProviderUsage(
  { reports, clock }: ReadProviderUsageNeeds,
  scope: OneProvider,
  grouping: UsageGrouping | null,
  request: RangeRequest,
): Promise<ProviderUsage> {
  const now = clock.now()
  const range = resolveRange(request, now)
  const [totals, byKeys] = await Promise.all([
    reports.totals(scope, spanOf(range)),
    grouping === null || grouping === 'endpoint' ? null : groupKeys(reports, scope, grouping, range, now),
  ])
  const grouped = grouping === 'endpoint' ? groupEndpoints(totals) : byKeys
  const { lastUsedAt, ...summary } = summarize(range, totals)
  const last = lastUsedAt && notAfter(lastUsedAt, now)
  return { ...summary, lastUsedAt: last, providerId: scope.providerId, grouping, grouped }
}

async function groupKeys(
  reports: Pick<UsageReports, 'allKeyDays'>,
  scope: OneProvider,
  grouping: Exclude<UsageGrouping, 'endpoint'>,
  range: UsageRange,
  now: Date,
): Promise<GroupedUsage> {
  const sums = groupSums(grouping, range)
  for await (const row of reports.allKeyDays(scope, spanOf(range))) {
    sums.add({ ...row, lastUsedAt: notAfter(row.lastUsedAt, now) })
  }
  return sums.result()
}

function groupEndpoints(totals: readonly ProviderDay[]): GroupedUsage {
  return endpointGroups(addCounts(totals.map(({ endpoints }) => endpoints)))
}
