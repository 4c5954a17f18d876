import type {
  KeyUsageView,
  ProviderUsageView,
  PushStatusView,
  PushView,
  ReconciliationView,
} from '../../contracts/usage.ts'
import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { splitProducer } from '../../domain/usage/boots.ts'
import type { PushProgress, PushRecord } from '../../domain/usage/push.ts'
import type { RangeEdge, RangeRequest } from '../../domain/usage/range.ts'
import type { UsageSummary } from '../../domain/usage/report.ts'
import type { KeyUsage } from '../../operations/usage/read-key-usage.ts'
import type { ProviderUsage } from '../../operations/usage/read-provider-usage.ts'
import type { UsageReconciliation } from '../../operations/usage/reconcile-usage.ts'
import type { Caller } from '../authenticate.ts'

const REPLAYED_REJECTIONS = 100

interface RangeQuery {
  readonly from?: RangeEdge | undefined
  readonly to?: RangeEdge | undefined
  readonly granularity?: RangeRequest['granularity'] | undefined
}

/** The time range of a query. */
export function toRangeRequest({ from, to, granularity }: RangeQuery): RangeRequest {
  return { from: from ?? null, to: to ?? null, granularity: granularity ?? 'day' }
}

export function toKeyUsageView(usage: KeyUsage): KeyUsageView {
  const { keyId, providerId, afterRevocation: after } = usage
  return {
    key_id: keyId,
    provider_id: providerId,
    ...toSummaryView(usage),
    uses_after_revocation: after && {
      count: after.count,
      last_at: after.last.at,
      last_client_ip: after.last.clientIp,
      last_endpoint: after.last.endpoint,
    },
  }
}

export function toProviderUsageView(usage: ProviderUsage): ProviderUsageView {
  return {
    provider_id: usage.providerId,
    ...toSummaryView(usage),
    group_by: usage.grouping,
    groups:
      usage.grouped?.groups.map(({ group, total, denied, lastUsedAt }) => ({
        group,
        total,
        denied,
        last_used_at: lastUsedAt,
      })) ?? null,
    other: usage.grouped?.other ?? null,
  }
}

/** The status URL of a pushed batch. An operator's names the provider. */
export function pushStatusUrl(caller: Caller, { providerId }: OneProvider, batchId: string): string {
  const path = `/auth/keys/batch/usage/${batchId}`
  return caller.scope.kind === 'every' ? `${path}?provider_id=${providerId}` : path
}

/** The answer as stored for replays: a row cannot hold 10,000 rejections; the batch's status lists them all. */
export function toPushReplayView(view: PushView): PushView {
  return { ...view, rejected: view.rejected.slice(0, REPLAYED_REJECTIONS) }
}

export function toPushView(record: PushRecord, statusUrl: string): PushView {
  return {
    batch_id: record.batchId,
    status_url: statusUrl,
    accepted: record.accepted,
    duplicate: record.duplicate,
    rejected: [...record.rejected],
  }
}

export function toPushStatusView(record: PushRecord, progress: PushProgress): PushStatusView {
  return {
    batch_id: record.batchId,
    status: progress.status,
    accepted_at: record.acceptedAt.toISOString(),
    accepted: record.accepted,
    applied: progress.applied,
    late: progress.late,
    duplicate: record.duplicate,
    rejected: [...record.rejected],
  }
}

export function toReconciliationView(found: UsageReconciliation): ReconciliationView {
  const boots = Map.groupBy(found.gaps, ({ instance, boot }) => `${instance}.${boot}`)
  return {
    from: found.window.from.toISOString(),
    to: found.window.to.toISOString(),
    verdict: found.verdict,
    hours: found.hours.map((hour) => ({
      start: hour.start.toISOString(),
      applied: hour.appliedUses,
      late: hour.lateUses,
      batches: { applied: hour.appliedBatches, in_flight: hour.inFlightBatches, missing: hour.missingBatches },
      pushed: {
        accepted: hour.pushAccepted,
        counted: hour.pushCounted,
        in_flight: hour.pushInFlight,
        missing: hour.pushMissing,
      },
    })),
    boots: [...boots.values()].map((gaps) => ({
      instance: gaps[0]?.instance ?? '',
      boot: gaps[0]?.boot ?? '',
      gaps: gaps.map(({ first, last, ackedAt, missing }) => ({
        first,
        last,
        acked_at: ackedAt.toISOString(),
        state: missing ? 'missing' : 'in_flight',
      })),
    })),
    spools: found.boots.map((boot) => ({
      ...splitProducer(boot.producer),
      state: boot.state,
      opened_at: boot.openedAt.toISOString(),
      reported_at: boot.reportedAt.toISOString(),
      last_number: boot.lastNumber,
      waiting_messages: boot.waitingMessages,
      waiting_bytes: boot.waitingBytes,
    })),
    queue: { waiting: found.queueDepth, poison: found.poisonDepth },
    partitions: {
      balanced: found.partitions.balanced,
      unsettled: found.partitions.unsettled,
      unbalanced: found.partitions.unbalanced.map((balance) => ({
        partition: `${balance.day}|${balance.shard}`,
        meta_total: balance.metaTotal,
        batches_total: balance.batchesTotal,
        counters_total: balance.countersTotal,
        meta_batches: balance.metaBatches,
        batches: balance.batches,
      })),
    },
  }
}

function toSummaryView(summary: UsageSummary) {
  return {
    from: summary.range.from.toISOString(),
    to: summary.range.to.toISOString(),
    granularity: summary.range.granularity,
    totals: summary.totals,
    breakdown_from: summary.breakdownFrom.toISOString(),
    breakdown_to: summary.breakdownTo.toISOString(),
    by_outcome: summary.byOutcome,
    by_status: summary.byStatus,
    by_endpoint: summary.byEndpoint,
    last_used_at: summary.lastUsedAt,
    buckets: summary.buckets.map(({ start, total, denied }) => ({ start: start.toISOString(), total, denied })),
  }
}
