import pLimit from 'p-limit'
import { daysOfMonth, monthName } from '../../domain/usage/calendar.ts'
import { partitionsOfDay } from '../../domain/usage/partition.ts'
import type { UsagePartition } from '../../domain/usage/usage.ts'
import type { UsageLedger, UsageMonths } from '../../ports/usage.ts'
import { type RollUpNeeds, rollUpDay } from './roll-up-usage.ts'

interface DropMonthsNeeds extends RollUpNeeds {
  readonly months: UsageMonths
  readonly ledger: RollUpNeeds['ledger'] & Pick<UsageLedger, 'seal'>
}

/** How many months late the timer may run. */
const LOOK_BACK_MONTHS = 24
const PARTITIONS_AT_ONCE = 8

/**
 * Drops the counters of every month that ended `retentionMonths` months ago or earlier, as a whole. Before that it seals
 * each of its days that is not sealed, and rolls up each that is not rolled up. A month that cannot be closed stays, and
 * is logged. Returns the dropped months. A run that is cut anywhere is made up for by the next.
 */
export async function dropMonths(needs: DropMonthsNeeds, retentionMonths: number): Promise<readonly string[]> {
  const now = needs.clock.now()
  const dropped: string[] = []
  for (let back = 1; back <= LOOK_BACK_MONTHS; back++) {
    const month = monthName(now, retentionMonths + back)
    if (!(await needs.months.exists(month))) continue
    if (await closeMonth(needs, month)) {
      await needs.months.drop(month)
      dropped.push(month)
      needs.log('info', 'A month of usage was dropped.', { month })
    } else needs.log('error', 'A month of usage cannot be dropped: it is not rolled up.', { month })
  }
  return dropped
}

async function closeMonth(needs: DropMonthsNeeds, month: string): Promise<boolean> {
  for (const day of daysOfMonth(month)) {
    await pLimit(PARTITIONS_AT_ONCE).map(partitionsOfDay(day), (partition) => sealPartition(needs, partition))
    await rollUpDay(needs, day)
    const closed = await pLimit(PARTITIONS_AT_ONCE).map(partitionsOfDay(day), (partition) => isClosed(needs, partition))
    if (closed.includes(false)) return false
  }
  return true
}

async function sealPartition({ ledger }: DropMonthsNeeds, partition: UsagePartition): Promise<void> {
  const { fence, state } = await ledger.readMeta(partition)
  if (fence !== null && state === 'open') await ledger.seal(partition)
}

/** Nothing can be added to the partition, and everything in it is copied. */
async function isClosed({ ledger, marks }: DropMonthsNeeds, partition: UsagePartition): Promise<boolean> {
  const { fence, state, batches } = await ledger.readMeta(partition)
  return fence === null || (state === 'sealed' && (await marks.read(partition)) >= batches)
}
