import pLimit from 'p-limit'
import { oneProvider } from '../../domain/access/provider-scope.ts'
import { dayName, SEAL_AFTER_DAYS } from '../../domain/usage/calendar.ts'
import { partitionsOfDay } from '../../domain/usage/partition.ts'
import {
  decideTotals,
  type ProviderDay,
  type ProviderDaySum,
  sumProviderDay,
} from '../../domain/usage/provider-totals.ts'
import type { Clock, Log } from '../../ports/runtime.ts'
import type { ScannedCounters, UsageLedger } from '../../ports/usage.ts'
import type { RollUpMarks, UsageCopies } from '../../ports/usage-reports.ts'

export interface RollUpNeeds {
  readonly ledger: Pick<UsageLedger, 'readMeta' | 'scanCounters'>
  readonly marks: RollUpMarks
  readonly copies: UsageCopies
  readonly clock: Clock
  readonly log: Log
}

const PARTITIONS_AT_ONCE = 4
const PROVIDERS_AT_ONCE = 8
const TRIES_MAX = 8
const ROWS_GATHERED = 240

/**
 * Copies what the ledger has counted since the last run: each key's day, its last use, and each provider's totals.
 * Reads today and yesterday, the days that were asked for, and in the first minute of an hour every open day. Idempotent: a run may crash at any
 * point, be repeated or overlap another run. The copies are absolute, the newer copy wins, and the marks that say
 * "copied" are written last.
 */
export async function rollUpUsage(needs: RollUpNeeds): Promise<void> {
  const now = needs.clock.now()
  const daysBack = now.getUTCMinutes() === 0 ? SEAL_AFTER_DAYS : 1
  const requested = await needs.marks.requested()
  const open = Array.from({ length: daysBack + 1 }, (_, daysAgo) => dayName(now, daysAgo))
  for (const day of new Set([...open, ...requested.map((request) => request.day)])) {
    const outcome = await rollUpDay(needs, day)
    const request = requested.find((one) => one.day === day)
    if (outcome === 'copied' && request !== undefined) await needs.marks.fulfil(request)
  }
}

/** Copies a day where it has changed. `overtaken`: others came first too often, so the next run copies the rest. */
export async function rollUpDay(needs: RollUpNeeds, day: string): Promise<'copied' | 'overtaken'> {
  if (!(await hasChanged(needs, day))) return 'copied'
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if ((await copyDay(needs, day)) === 'copied') return 'copied'
  }
  needs.log('warn', 'The roll-up was overtaken by others too often and leaves the rest to the next run.', { day })
  return 'overtaken'
}

async function hasChanged({ ledger, marks }: RollUpNeeds, day: string): Promise<boolean> {
  const changes = await pLimit(PARTITIONS_AT_ONCE).map(partitionsOfDay(day), async (partition) => {
    const [meta, rolledUp] = await Promise.all([ledger.readMeta(partition), marks.read(partition)])
    return meta.batches > rolledUp
  })
  return changes.includes(true)
}

/**
 * `overtaken`: another run has counted a shard further. The copies of this run are right; its totals are outdated. Holds a
 * few pages of rows and the sums of each provider, however many keys the day has.
 */
async function copyDay(needs: RollUpNeeds, day: string): Promise<'copied' | 'overtaken'> {
  const sums = new Map<string, ProviderDaySum>()
  const changed = new Set<string>()
  const copies = copyBuffer(needs.copies)
  const shards = await pLimit(PARTITIONS_AT_ONCE).map(partitionsOfDay(day), async (partition) => {
    const rolledUp = await needs.marks.read(partition)
    const { meta, counters } = await needs.ledger.scanCounters(partition)
    for await (const row of counters) {
      const sum = sums.get(row.providerId) ?? sumProviderDay(row.providerId, day)
      sums.set(row.providerId, sum)
      sum.add(row)
      if (row.version <= rolledUp) continue
      changed.add(row.providerId)
      await copies.add(row)
    }
    return { partition, rolledUp, batches: meta.batches }
  })
  await copies.flush()
  const versions = shards.map(({ batches }) => batches)
  const outcomes = await pLimit(PROVIDERS_AT_ONCE).map(changed, async (providerId) => {
    const sum = sums.get(providerId)
    return sum === undefined ? 'stored' : putTotals(needs.copies, sum.total(versions))
  })
  if (outcomes.includes('overtaken')) return 'overtaken'
  await pLimit(PARTITIONS_AT_ONCE).map(
    shards.filter(({ batches, rolledUp }) => batches > rolledUp),
    ({ partition, batches }) => needs.marks.write(partition, batches),
  )
  return 'copied'
}

/** Gathers the changed rows of a day by provider, so that they share transactions. */
function copyBuffer(copies: UsageCopies) {
  let rows = new Map<string, ScannedCounters[]>()
  let size = 0
  const flush = async (): Promise<void> => {
    const taken = rows
    rows = new Map()
    size = 0
    await pLimit(PROVIDERS_AT_ONCE).map(taken, ([providerId, gathered]) =>
      copies.putKeyDays(oneProvider(providerId), gathered),
    )
  }
  return {
    flush,
    add: async (row: ScannedCounters): Promise<void> => {
      const gathered = rows.get(row.providerId) ?? []
      gathered.push(row)
      rows.set(row.providerId, gathered)
      size++
      if (size >= ROWS_GATHERED) await flush()
    },
  }
}

async function putTotals(copies: UsageCopies, totals: ProviderDay): Promise<'stored' | 'overtaken'> {
  const scope = oneProvider(totals.providerId)
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const stored = await copies.findTotals(scope, totals.day)
    const decision = decideTotals(totals, stored?.value)
    if (decision === 'keep') return 'stored'
    if (decision === 'again') return 'overtaken'
    if ((await copies.putTotals(scope, totals, stored?.version ?? null)) === 'stored') return 'stored'
  }
  return 'overtaken'
}
