import { afterAll, beforeAll, expect, test } from 'vitest'
import { tableLateUsage } from '../../../../shared/adapters/tables/late-usage.ts'
import { tablePushStore } from '../../../../shared/adapters/tables/push-store.ts'
import { type TableAccess, tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { tableUsageReports } from '../../../../shared/adapters/tables/usage-reports.ts'
import { lateSweeper, pushSweeper, reportSweeper } from '../../../../shared/adapters/tables/usage-sweepers.ts'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { Sweeper } from '../../../../shared/ports/store.ts'
import { samplePush } from '../../../support/contracts/push-store-contract.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { sampleCounters, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

const now = new Date('2026-11-22T16:00:00.000Z')
const scope = oneProvider('acme')
let azurite: TestAzurite
let tables: TableAccess
beforeAll(async () => {
  azurite = await startAzurite()
  tables = tableAccess({ connectionString: azurite.connectionString, wrapClient: shuffleQueries })
})
afterAll(() => azurite.stop())

async function sweepAll(sweeper: Sweeper, at = now): Promise<number> {
  let removed = 0
  let after: string | null = null
  do {
    const step: Awaited<ReturnType<Sweeper['step']>> = await sweeper.step(at, after)
    removed += step.removed
    after = step.next
  } while (after !== null)
  return removed
}

test('reports of days from before the retention go; later days and the last use of a key stay', async () => {
  const reports = tableUsageReports(tables)
  for (const day of ['20260831', '20260901', '20261122']) {
    await reports.putKeyDays(scope, [sampleCounters([sampleDelta({ providerId: 'acme', hour: `${day}10` })], 1)])
  }
  expect(await sweepAll(reportSweeper(tables, 2))).toBe(1)
  expect(await sweepAll(reportSweeper(tables, 2))).toBe(0)
  const days = await Array.fromAsync(reports.allKeyDays(scope, { first: '20260101', last: '20261231' }))
  expect(days.map(({ day }) => day).sort()).toEqual(['20260901', '20261122'])
  expect((await reports.lastUsed(scope, [days[0]?.keyId ?? ''])).size).toBe(1)
})

test('late batches for days from before the retention go, 35 days after they came', async () => {
  const late = tableLateUsage(tables)
  const deltas = [sampleDelta()]
  for (const day of ['20260831', '20260901']) {
    const batch = { batchId: `host.boot.${day}`, ackedBelow: 1, count: 1, at: '2026-11-22T10:00:00.000Z' }
    await late.put({ ...batch, partition: { day, shard: '00' }, deltas })
  }
  const came = new Date()
  const later = new Date(came.getTime() + 36 * 86_400_000)
  expect(await sweepAll(lateSweeper(tables, 2), came)).toBe(0)
  const old = await Array.fromAsync(late.scan('20260831'))
  expect(old).toHaveLength(1)
  expect(await sweepAll(lateSweeper(tables, 1), later)).toBeGreaterThan(0)
  expect(await Array.fromAsync(late.scan('20260831'))).toEqual([])
})

test('pushed batches from before the retention go with all their rows; a batch that was pushed again since stays', async () => {
  const pushes = tablePushStore(tables)
  const accept = async (batchId: string, at: string) => {
    const record = samplePush({ batchId, acceptedAt: new Date(at) })
    await pushes.begin(scope, { ...record, startedAt: record.acceptedAt })
    await pushes.accept(scope, record, ['one', 'two'])
    await pushes.partApplied({ providerId: 'acme', batchId, part: 1 }, { applied: 5, late: 0, partitions: [] })
    return record
  }
  const old = await accept('old-batch-1', '2026-08-31T23:59:59.999Z')
  const kept = await accept('kept-batch-1', '2026-09-01T00:00:00.000Z')
  // The journal also has an hour in which this batch was about to be accepted, and was not.
  const again = await accept('again-batch-1', '2026-09-02T00:00:00.000Z')
  await tables.table('usagebatches').upsert({
    ...{ partitionKey: '*|2026080110', rowKey: 'acme|again-batch-1' },
    ...{ providerId: 'acme', batchId: 'again-batch-1' },
  })
  expect(await sweepAll(pushSweeper(tables, 2))).toBe(2)
  expect(await pushes.find(scope, old.batchId)).toBeUndefined()
  expect(await pushes.unsent(scope, old)).toEqual([])
  expect(await pushes.parts(scope, old.batchId)).toEqual([])
  for (const record of [kept, again]) {
    expect(await pushes.find(scope, record.batchId)).toEqual(record)
    expect(await pushes.parts(scope, record.batchId)).toHaveLength(1)
  }
  const journaled = pushes.acceptedBetween(new Date('2026-08-01T00:00:00Z'), new Date('2026-09-03T00:00:00Z'))
  expect((await Array.fromAsync(journaled)).map(({ batchId }) => batchId).sort()).toEqual([
    'again-batch-1',
    'kept-batch-1',
  ])
})
