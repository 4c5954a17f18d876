import pLimit from 'p-limit'
import { partitionsOfDay } from '../../domain/usage/partition.ts'
import { daysOf, type RangeRequest, resolveWindow, spanOf, type UsageRange } from '../../domain/usage/range.ts'
import {
  balanceOf,
  type CountedBatch,
  isBalanced,
  type PartitionBalance,
  type Reconciliation,
  readingOf,
  reconcile,
} from '../../domain/usage/reconciliation.ts'
import type { UsagePartition } from '../../domain/usage/usage.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Log } from '../../ports/runtime.ts'
import type { LateUsage, UsageLedger } from '../../ports/usage.ts'
import type { PushJournal } from '../../ports/usage-reports.ts'

interface ReconcileUsageNeeds {
  readonly ledger: Pick<UsageLedger, 'readMeta' | 'scan'>
  readonly late: Pick<LateUsage, 'scan'>
  readonly journal: PushJournal
  readonly queue: Pick<MessageQueue, 'depth'>
  readonly poison: Pick<MessageQueue, 'depth'>
  readonly clock: Clock
  readonly log: Log
}

export interface UsageReconciliation extends Reconciliation {
  readonly window: UsageRange
  /** `alarm`: uses that were promised are missing, or sums that must be equal differ. */
  readonly verdict: 'ok' | 'alarm'
  readonly queueDepth: number
  readonly poisonDepth: number
  readonly partitions: {
    readonly balanced: number
    /** Written so often that three readings failed: reconcile again. */
    readonly unsettled: number
    readonly unbalanced: readonly PartitionBalance[]
  }
}

const PARTITIONS_AT_ONCE = 8
const READINGS_MAX = 3

/**
 * Reports where the uses of every hour are, from the store alone. Logs an error with every `alarm`. Throws
 * `invalid_request` for a window that cannot be reconciled.
 */
export async function reconcileUsage(
  needs: ReconcileUsageNeeds,
  request: Pick<RangeRequest, 'from' | 'to'>,
): Promise<UsageReconciliation> {
  const now = needs.clock.now()
  const window = resolveWindow(request, now)
  const days = daysOf(spanOf(readingOf(window)))
  const [readings, late, pushes, queueDepth, poisonDepth] = await Promise.all([
    pLimit(PARTITIONS_AT_ONCE).map(days.flatMap(partitionsOfDay), (partition) =>
      readPartition(needs.ledger, partition),
    ),
    pLimit(PARTITIONS_AT_ONCE).map(days, (day) => needs.late.scan(day)),
    needs.journal.acceptedBetween(window.from, window.to),
    needs.queue.depth(),
    needs.poison.depth(),
  ])
  const applied = readings.flatMap((reading) => reading.applied)
  const reconciled = reconcile({ ...window, now, applied, late: late.flat(), pushes })
  const settled = readings.filter((reading) => reading.settled).map(({ balance }) => balance)
  const unbalanced = settled.filter((balance) => !isBalanced(balance))
  const missingBatches = reconciled.hours.reduce((sum, hour) => sum + hour.missingBatches, 0)
  const missingPushed = reconciled.hours.reduce((sum, hour) => sum + hour.pushMissing, 0)
  const alarm = missingBatches > 0 || missingPushed > 0 || unbalanced.length > 0
  if (alarm) {
    needs.log('error', 'Usage does not reconcile.', { missingBatches, missingPushed, unbalanced: unbalanced.length })
  }
  return {
    ...reconciled,
    window,
    verdict: alarm ? 'alarm' : 'ok',
    queueDepth,
    poisonDepth,
    partitions: {
      balanced: settled.length - unbalanced.length,
      unsettled: readings.length - settled.length,
      unbalanced,
    },
  }
}

interface Reading {
  readonly applied: readonly CountedBatch[]
  readonly balance: PartitionBalance
  /** No commit came during the reading, so the balance is meaningful. */
  readonly settled: boolean
}

async function readPartition(
  ledger: Pick<UsageLedger, 'readMeta' | 'scan'>,
  partition: UsagePartition,
  readings = 1,
): Promise<Reading> {
  const contents = await ledger.scan(partition)
  const settled = (await ledger.readMeta(partition)).fence === contents.meta.fence
  if (!settled && readings < READINGS_MAX) return readPartition(ledger, partition, readings + 1)
  return { applied: contents.applied, balance: balanceOf(partition, contents), settled }
}
