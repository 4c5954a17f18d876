import { ulid } from 'ulid'
import { describe, expect, test } from 'vitest'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { UsagePartition } from '../../../../shared/domain/usage/usage.ts'
import { pushUsage } from '../../../../shared/operations/usage/push-usage.ts'
import { reconcileUsage } from '../../../../shared/operations/usage/reconcile-usage.ts'
import type { LedgerRow, UsageLedger } from '../../../../shared/ports/usage.ts'
import { readMetric } from '../../../support/requests/read-metric.ts'
import { countInto, keyInShard, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { type UsageReportingWorld, usageReportingWorld } from '../../../support/worlds/usage-reporting-world.ts'

async function* withoutCounters(rows: AsyncIterable<LedgerRow>): AsyncGenerator<LedgerRow> {
  for await (const row of rows) if (row.kind === 'batch') yield row
}

const lastDay = { from: null, to: null }

/** Counts the batches of a boot that started at 15:00, one a minute, except the `lost` ones. */
async function countBoot(world: UsageReportingWorld, batches: number, lost: readonly number[]): Promise<void> {
  const startMs = Date.parse('2026-11-22T15:00:00Z')
  const boot = ulid(startMs)
  for (let number = 1; number <= batches; number++) {
    if (lost.includes(number)) continue
    const at = new Date(startMs + number * 60_000).toISOString()
    const deltas = ['00', '09'].map((shard) => sampleDelta({ keyId: keyInShard(shard), hour: '2026112215' }))
    await countInto(world.ledger, deltas, { batchId: `host-1.${boot}.${number}`, ackedBelow: number, at })
  }
}

function totalOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

describe('the reconciliation', () => {
  test('is ok, silent and balanced when every batch was counted', async () => {
    const world = usageReportingWorld()
    await countBoot(world, 20, [])
    const found = await reconcileUsage(world, lastDay)
    expect(found).toMatchObject({ verdict: 'ok', gaps: [], queueDepth: 0, poisonDepth: 0 })
    expect(found.partitions).toEqual({ balanced: 4 * 16, unsettled: 0, unbalanced: [] })
    expect(totalOf(found.hours.map(({ appliedBatches }) => appliedBatches))).toBe(20)
    expect(totalOf(found.hours.map(({ appliedUses }) => appliedUses))).toBe(40)
    expect(world.logged).toEqual([])
  })

  test('raises an alarm for exactly the batch that was acknowledged and never counted', async () => {
    const world = usageReportingWorld()
    await countBoot(world, 20, [7])
    const found = await reconcileUsage(world, lastDay)
    expect(found.verdict).toBe('alarm')
    expect(found.gaps).toMatchObject([{ instance: 'host-1', first: 7, last: 7, missing: true }])
    expect(totalOf(found.hours.map(({ missingBatches }) => missingBatches))).toBe(1)
    expect(world.logged).toEqual(['error: Usage does not reconcile.'])
  })

  test('ignores the last batch of a boot that died before the queue acknowledged it', async () => {
    const world = usageReportingWorld()
    await countBoot(world, 20, [20])
    expect(await reconcileUsage(world, lastDay)).toMatchObject({ verdict: 'ok', gaps: [] })
  })

  test('finds a batch among the late batches', async () => {
    const world = usageReportingWorld()
    await countBoot(world, 20, [7])
    const [first] = world.ledger.held()[0]?.applied.values() ?? []
    if (first === undefined) throw new Error('Batches were counted.')
    const batchId = first.batchId.replace(/\.1$/, '.7')
    const partition = { day: '20261122', shard: '00' }
    await world.late.put({ ...first, batchId, at: '2026-11-22T15:07:00.000Z', count: 3, partition, deltas: [] })
    const found = await reconcileUsage(world, lastDay)
    expect(found).toMatchObject({ verdict: 'ok', gaps: [] })
    expect(totalOf(found.hours.map(({ lateUses }) => lateUses))).toBe(3)
  })

  test('follows a pushed batch from accepted to counted, and reports it missing when it is overdue', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const event = { keyId, at: null, outcome: 'VALID', endpoint: '', statusClass: '2xx', count: 5, id: null } as const
    const items = [{ kind: 'event', index: 0, event } as const]
    await pushUsage(world, oneProvider('acme'), { batchId: 'orders-1', body: '', items })
    const lastHour = async () => (await reconcileUsage(world, lastDay)).hours.at(-1)
    expect(await lastHour()).toMatchObject({ pushAccepted: 5, pushCounted: 0, pushInFlight: 5, pushMissing: 0 })
    await world.time.advance(31 * 60_000)
    expect(await lastHour()).toMatchObject({ pushCounted: 0, pushInFlight: 0, pushMissing: 5 })
    await world.consumer.drain()
    expect(await lastHour()).toMatchObject({ pushCounted: 5, pushInFlight: 0, pushMissing: 0 })
    expect((await reconcileUsage(world, lastDay)).verdict).toBe('ok')
  })

  test('reports a boot whose disk is gone as open for a day, then as unclosed, once, with an alarm', async () => {
    const world = usageReportingWorld()
    const now = world.time.clock.now()
    await world.boots.report({
      ...{ producer: 'host-1.BOOT', openedAt: now, reportedAt: now, lastNumber: 12 },
      ...{ waitingMessages: 3, waitingBytes: 9000 },
    })
    const boots = async () => (await reconcileUsage(world, lastDay)).boots
    expect(await boots()).toMatchObject([{ producer: 'host-1.BOOT', state: 'open', lastNumber: 12 }])
    expect(world.logged).toEqual([])
    await world.time.advance(24 * 60 * 60_000 + 1)
    const found = await reconcileUsage(world, lastDay)
    expect(found).toMatchObject({ verdict: 'alarm', boots: [{ state: 'unclosed', waitingMessages: 3 }] })
    expect(world.logged).toEqual(['error: Uses waited on a disk that is gone.'])
    expect(await readMetric(world.metrics, 'auth_api_usage_unclosed_boots_total', '')).toEqual([1])
    await world.time.advance(24 * 60 * 60_000)
    expect(await boots()).toEqual([])
  })

  test('finds the last batches of a boot missing that closed with a higher number than was counted', async () => {
    const world = usageReportingWorld()
    await countBoot(world, 20, [])
    const producer =
      world.ledger
        .held()[0]
        ?.applied.keys()
        .next()
        .value?.replace(/\.\d+$/, '') ?? ''
    await world.boots.close({ producer, closedAt: new Date('2026-11-22T15:30:00Z'), lastNumber: 22 })
    expect((await reconcileUsage(world, lastDay)).gaps).toMatchObject([{ first: 21, last: 22, missing: true }])
  })

  test('shows the depth of the queue and of the poison queue', async () => {
    const world = usageReportingWorld()
    await world.queue.send('a')
    await world.poison.send('b')
    await world.poison.send('c')
    expect(await reconcileUsage(world, lastDay)).toMatchObject({ queueDepth: 1, poisonDepth: 2 })
  })

  test('raises an alarm for a partition whose counters are not the sum of its batches', async () => {
    const world = usageReportingWorld()
    await countBoot(world, 3, [])
    world.ledger.held()[0]?.counters.clear()
    const found = await reconcileUsage(world, lastDay)
    expect(found.verdict).toBe('alarm')
    expect(found.partitions.unbalanced).toMatchObject([
      { shard: '00', metaTotal: 3, batchesTotal: 3, countersTotal: 0 },
    ])
  })

  test('judges no partition by a reading that overlaps a commit', async () => {
    const world = usageReportingWorld()
    await countBoot(world, 3, [])
    let commits = 0
    const ledger: UsageLedger = {
      ...world.ledger,
      scan: async (partition: UsagePartition) => {
        const contents = await world.ledger.scan(partition)
        if (partition.day === '20261122' && partition.shard === '00') {
          await countInto(world.ledger, [sampleDelta()], { batchId: `host-2.boot.${++commits}` })
          return { ...contents, rows: withoutCounters(contents.rows) }
        }
        return contents
      },
    }
    const found = await reconcileUsage({ ...world, ledger }, lastDay)
    expect(found.partitions).toEqual({ balanced: 4 * 16 - 1, unsettled: 1, unbalanced: [] })
    expect(found.verdict).toBe('ok')
  })
})
