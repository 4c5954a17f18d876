import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  copiedEvidenceSweeper,
  countedEvidenceSweeper,
  lateEvidenceSweeper,
} from '../../../../shared/adapters/tables/evidence-sweeper.ts'
import { tableLateUsage } from '../../../../shared/adapters/tables/late-usage.ts'
import { type TableAccess, tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { tableUsageLedger } from '../../../../shared/adapters/tables/usage-ledger.ts'
import { tableUsageReports } from '../../../../shared/adapters/tables/usage-reports.ts'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { Sweeper } from '../../../../shared/ports/store.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { keyInShard, sampleCounters, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
let tables: TableAccess
beforeAll(async () => {
  azurite = await startAzurite()
  tables = tableAccess({ connectionString: azurite.connectionString, wrapClient: shuffleQueries })
})
afterAll(() => azurite.stop())

const now = new Date('2026-11-22T03:17:00.000Z')
const DAYS = 90
/** The last day whose addresses are cleared, the first that keeps them, and a day two years ago. */
const [expired, kept, ancient] = ['20260823', '20260824', '20241122']
const shard = '03'
const keyId = keyInShard(shard)
const clientIp = '192.0.2.7'

const revokedUse = (day: string) =>
  sampleDelta({
    ...{ keyId, hour: `${day}10`, outcome: 'REVOKED', statusClass: '4xx', lastIp: clientIp },
    lastUsedAt: `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T10:00:00.000Z`,
  })
const scope = oneProvider(sampleDelta({}).providerId)

async function sweepAll(sweeper: Sweeper): Promise<number> {
  let removed = 0
  for (let after: string | null = null; ; ) {
    const step = await sweeper.step(now, after)
    removed += step.removed
    if (step.next === null) return removed
    after = step.next
  }
}

describe('the address of a use of a revoked key', () => {
  test('is cleared from the counters of every month, with nothing else changed; a later day keeps it', async () => {
    const ledger = tableUsageLedger(tables)
    const read = async (day: string) => Array.fromAsync((await ledger.scanCounters({ day, shard })).counters)
    for (const day of [expired, kept, ancient]) {
      const meta = await ledger.readMeta({ day, shard })
      const applied = [{ batchId: 'i.B.1', ackedBelow: 1, count: 1, at: now.toISOString() }]
      await ledger.commit({ day, shard }, { meta, applied, counters: [sampleCounters([revokedUse(day)], 1)] })
    }
    const before = await read(expired)
    expect(before[0]?.lastRevokedUse?.clientIp).toBe(clientIp)
    expect(await sweepAll(countedEvidenceSweeper(tables, DAYS))).toBe(2)
    expect(await read(expired)).toEqual(
      before.map((row) => ({
        ...row,
        lastRevokedUse: row.lastRevokedUse && { ...row.lastRevokedUse, clientIp: null },
      })),
    )
    expect((await read(ancient))[0]?.lastRevokedUse?.clientIp).toBeNull()
    expect((await read(kept))[0]?.lastRevokedUse?.clientIp).toBe(clientIp)
    expect(await sweepAll(countedEvidenceSweeper(tables, DAYS))).toBe(0)
  })

  test('is cleared from the copies for reports, with nothing else changed; a later day keeps it', async () => {
    const reports = tableUsageReports(tables)
    for (const day of [expired, kept]) await reports.putKeyDays(scope, [sampleCounters([revokedUse(day)], 1)])
    const read = async () => (await reports.keyDays(scope, keyId, { first: expired, last: kept })).toSorted(byDay)
    const [old, recent] = await read()
    expect(await sweepAll(copiedEvidenceSweeper(tables, DAYS))).toBe(1)
    expect(await read()).toEqual([
      { ...old, lastRevokedUse: old?.lastRevokedUse && { ...old.lastRevokedUse, clientIp: null } },
      recent,
    ])
    expect(recent?.lastRevokedUse?.clientIp).toBe(clientIp)
    expect(await sweepAll(copiedEvidenceSweeper(tables, DAYS))).toBe(0)
  })

  test('is cleared from late batches, with nothing else changed; a later day keeps it', async () => {
    const late = tableLateUsage(tables)
    const read = (day: string) => Array.fromAsync(late.scan(day))
    const batch = { batchId: 'i.B.2', ackedBelow: 1, count: 1, at: now.toISOString() }
    for (const day of [expired, kept]) {
      await late.put({ ...batch, partition: { day, shard }, deltas: [revokedUse(day)] })
    }
    const [before] = await read(expired)
    expect(await sweepAll(lateEvidenceSweeper(tables, DAYS))).toBe(1)
    const withoutIp = before?.deltas.map((delta) => ({ ...delta, lastIp: null }))
    expect(await read(expired)).toEqual([{ ...before, deltas: withoutIp }])
    expect((await read(kept))[0]?.deltas[0]?.lastIp).toBe(clientIp)
    expect(await sweepAll(lateEvidenceSweeper(tables, DAYS))).toBe(0)
  })
})

function byDay(left: { readonly day: string }, right: { readonly day: string }): number {
  return left.day < right.day ? -1 : 1
}
