import { dayName, SEAL_AFTER_DAYS } from '../../domain/usage/calendar.ts'
import { partitionsOfDay } from '../../domain/usage/partition.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { UsageLedger } from '../../ports/usage.ts'

interface SealOptions {
  readonly ledger: Pick<UsageLedger, 'readMeta' | 'seal'>
  readonly clock: Pick<Clock, 'now'>
}

/** How many days late the timer may run. An older day is sealed when a batch arrives for it. */
const LOOK_BACK_DAYS = 14

/** Seals the partitions of closed days that hold counters. Returns the number of partitions that this call sealed. */
export async function sealDays({ ledger, clock }: SealOptions): Promise<number> {
  const now = clock.now()
  let sealed = 0
  for (let daysAgo = SEAL_AFTER_DAYS + 1; daysAgo <= SEAL_AFTER_DAYS + LOOK_BACK_DAYS; daysAgo++) {
    for (const partition of partitionsOfDay(dayName(now, daysAgo))) {
      const meta = await ledger.readMeta(partition)
      if (meta.fence === null || meta.state === 'sealed') continue
      await ledger.seal(partition)
      sealed++
    }
  }
  return sealed
}
