import pLimit from 'p-limit'
import { type JudgedBoot, judgeBoots } from '../../domain/usage/boots.ts'
import { partitionsOfDay } from '../../domain/usage/partition.ts'
import { daysOf, type RangeRequest, resolveWindow, spanOf, type UsageRange } from '../../domain/usage/range.ts'
import {
  isBalanced,
  type PartitionBalance,
  type Reconciler,
  type Reconciliation,
  readingOf,
  reconciler,
} from '../../domain/usage/reconciliation.ts'
import type { UsagePartition } from '../../domain/usage/usage.ts'
import type { Meter } from '../../ports/meter.ts'
import type { PoisonStore } from '../../ports/poison.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Log } from '../../ports/runtime.ts'
import type { LateUsage, UsageLedger } from '../../ports/usage.ts'
import type { BootJournal } from '../../ports/usage-boots.ts'
import type { PushJournal } from '../../ports/usage-reports.ts'

interface ReconcileUsageNeeds {
  readonly ledger: Pick<UsageLedger, 'readMeta' | 'scan'>
  readonly late: Pick<LateUsage, 'scan'>
  readonly journal: Pick<PushJournal, 'acceptedBetween'>
  readonly bootJournal: BootJournal
  readonly queue: Pick<MessageQueue, 'depth'>
  readonly poison: Pick<MessageQueue, 'depth'>
  readonly poisoned: Pick<PoisonStore, 'page'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: { readonly meter: Pick<Meter, 'count'> }
}

export interface UsageReconciliation extends Reconciliation {
  readonly window: UsageRange
  /** `alarm`: uses that were promised are missing, a disk that held uses is, or sums that must be equal differ. */
  readonly verdict: 'ok' | 'alarm'
  /** The disks that may hold uses which the queue does not have. */
  readonly boots: readonly JudgedBoot[]
  readonly queueDepth: number
  readonly poisonDepth: number
  readonly partitions: {
    readonly balanced: number
    /** Written so often that three readings failed: reconcile again. */
    readonly unsettled: number
    readonly unbalanced: readonly PartitionBalance[]
  }
}

const PARTITIONS_AT_ONCE = 4
const READINGS_MAX = 3
const SET_ASIDE_COUNTED = 1000

/**
 * Reports where the uses of every hour are, from the store alone. Streams what it reads: its memory does not grow with the
 * rows. Logs an error with every `alarm`. Throws `invalid_request` for a window that cannot be reconciled.
 */
export async function reconcileUsage(
  needs: ReconcileUsageNeeds,
  request: Pick<RangeRequest, 'from' | 'to'>,
): Promise<UsageReconciliation> {
  const now = needs.clock.now()
  const window = resolveWindow(request, now)
  const sums = reconciler({ ...window, now })
  const days = daysOf(spanOf(readingOf(window)))
  const readings = await pLimit(PARTITIONS_AT_ONCE).map(days.flatMap(partitionsOfDay), (partition) =>
    readPartition(needs.ledger, sums, partition),
  )
  await readBesides(needs, sums, { ...window, days })
  const boots = judgeBoots(await Array.fromAsync(needs.bootJournal.open()), { ...window, now })
  const reconciled = sums.result()
  const settled = readings.filter((reading) => reading.settled).map(({ balance }) => balance)
  const unbalanced = settled.filter((balance) => !isBalanced(balance))
  const alarms = [raiseMissing(needs.log, reconciled, unbalanced.length), raiseUnclosed(needs, boots)]
  return {
    ...reconciled,
    ...{ window, boots, verdict: alarms.includes(true) ? 'alarm' : 'ok' },
    ...{ queueDepth: await needs.queue.depth(), poisonDepth: await depthOfPoison(needs) },
    partitions: {
      balanced: settled.length - unbalanced.length,
      unsettled: readings.length - settled.length,
      unbalanced,
    },
  }
}

interface Besides extends Pick<UsageRange, 'from' | 'to'> {
  readonly days: readonly string[]
}

/** Reads what lies beside the counters: late batches, closed boots and pushes. */
async function readBesides({ late, journal, bootJournal }: ReconcileUsageNeeds, sums: Reconciler, window: Besides) {
  for (const day of window.days) {
    for await (const batch of late.scan(day)) sums.late(batch)
    for await (const boot of bootJournal.closedOn(day)) sums.closed(boot)
  }
  for await (const push of journal.acceptedBetween(window.from, window.to)) sums.push(push)
}

function raiseUnclosed({ log, metrics }: ReconcileUsageNeeds, boots: readonly JudgedBoot[]): boolean {
  const [first, ...others] = boots.filter(({ state }) => state === 'unclosed')
  if (first === undefined) return false
  log('error', 'Uses waited on a disk that is gone.', { boots: others.length + 1, first: first.producer })
  metrics.meter.count('auth_api_usage_unclosed_boots_total', {}, others.length + 1)
  return true
}

function raiseMissing(log: Log, { hours }: Reconciliation, unbalanced: number): boolean {
  const missingBatches = hours.reduce((sum, hour) => sum + hour.missingBatches, 0)
  const missingPushed = hours.reduce((sum, hour) => sum + hour.pushMissing, 0)
  if (missingBatches === 0 && missingPushed === 0 && unbalanced === 0) return false
  log('error', 'Usage does not reconcile.', { missingBatches, missingPushed, unbalanced })
  return true
}

/** The messages in the poison queue, and up to 1,000 that are set aside. */
async function depthOfPoison({ poison, poisoned }: ReconcileUsageNeeds): Promise<number> {
  const setAside = await poisoned.page({ limit: SET_ASIDE_COUNTED, after: null })
  return (await poison.depth()) + setAside.items.length
}

interface Reading {
  readonly balance: PartitionBalance
  /** No commit came during the reading, so the balance is meaningful. */
  readonly settled: boolean
}

async function readPartition(
  ledger: Pick<UsageLedger, 'readMeta' | 'scan'>,
  sums: Reconciler,
  partition: UsagePartition,
  readings = 1,
): Promise<Reading> {
  const reading = sums.reading()
  const { meta, rows } = await ledger.scan(partition)
  for await (const row of rows) {
    if (row.kind === 'batch') reading.batch(row.batch)
    else reading.counters(row.counters)
  }
  const settled = (await ledger.readMeta(partition)).fence === meta.fence
  if (!settled && readings < READINGS_MAX) return readPartition(ledger, sums, partition, readings + 1)
  reading.keep()
  return { balance: reading.balance(partition, meta), settled }
}
