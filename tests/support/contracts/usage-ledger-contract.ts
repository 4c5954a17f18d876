import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RefusedByStore } from '../../../shared/domain/errors.ts'
import { addDeltas, keyName } from '../../../shared/domain/usage/counters.ts'
import type { UsageDelta, UsagePartition } from '../../../shared/domain/usage/usage.ts'
import type { AppliedBatch, LateUsage, PartitionMeta, UsageLedger, UsageMonths } from '../../../shared/ports/usage.ts'
import { usageDeltas } from '../samples/usage-arbitraries.ts'
import { sampleDelta } from '../samples/usage-samples.ts'

let partitions = 0

/** A partition that no other test uses. Every sixteen partitions are in a table that does not exist yet. */
function freshPartition(): UsagePartition {
  const number = partitions++
  return { day: `3${String(100 + (number >> 4)).padStart(3, '0')}1122`, shard: String(number & 15).padStart(2, '0') }
}

function sampleBatch(batchId = `host.${randomUUID()}.1`): AppliedBatch {
  return { batchId, ackedBelow: 7, count: 3, at: '2026-11-22T10:00:00.000Z' }
}

function countersOf(partition: UsagePartition, ...deltas: readonly Partial<UsageDelta>[]) {
  return addDeltas(
    () => undefined,
    deltas.map((delta) => ({ ...sampleDelta(delta), hour: `${partition.day}10` })),
  )
}

function byKey<Row extends UsageDelta | { providerId: string; keyId: string }>(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((a, b) => (keyName(a) < keyName(b) ? -1 : 1))
}

async function contentsOf(ledger: UsageLedger, partition: UsagePartition) {
  const { meta, rows } = await ledger.scan(partition)
  const read = await Array.fromAsync(rows)
  const applied = read.flatMap((row) => (row.kind === 'batch' ? [row.batch] : []))
  return { meta, applied, counters: read.flatMap((row) => (row.kind === 'counters' ? [row.counters] : [])) }
}

async function countersIn(ledger: UsageLedger, partition: UsagePartition) {
  const { meta, counters } = await ledger.scanCounters(partition)
  return { meta, counters: await Array.fromAsync(counters) }
}

/** The contract of every UsageLedger. */
export function usageLedgerContract(name: string, makeLedger: () => UsageLedger): void {
  describe(`${name} as a usage ledger`, () => {
    keepingCounters(makeLedger)
    fencing(makeLedger)
    bounding(makeLedger)
  })
}

function keepingCounters(makeLedger: () => UsageLedger): void {
  test('a partition without a commit is open and empty', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const meta: PartitionMeta = { fence: null, state: 'open', batches: 0, total: 0 }
    expect(await ledger.readMeta(partition)).toEqual(meta)
    expect(await contentsOf(ledger, partition)).toEqual({ meta, applied: [], counters: [] })
    expect(await countersIn(ledger, partition)).toEqual({ meta, counters: [] })
    expect(await ledger.readCounters(partition, [sampleDelta()])).toEqual([])
    expect(await ledger.findApplied(partition, ['host.boot.1'])).toEqual(new Map())
  })

  test('a commit stores batches, counters and the fence together', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const [one, two] = [sampleBatch(), sampleBatch()]
    const counters = countersOf(partition, { keyId: 'a', count: 4 }, { keyId: 'b', count: 2 })
    const empty = await ledger.readMeta(partition)
    const result = await ledger.commit(partition, { meta: empty, applied: [one, two], counters })
    const meta = await ledger.readMeta(partition)
    expect(result).toEqual({ kind: 'committed', meta })
    expect(meta).toMatchObject({ state: 'open', batches: 2, total: 6 })
    const scanned = await contentsOf(ledger, partition)
    expect(scanned.meta).toEqual(meta)
    expect(new Set(scanned.applied)).toEqual(new Set([one, two]))
    expect(byKey(scanned.counters)).toEqual(counters.map((row) => ({ ...row, version: 2 })))
    expect(byKey(await ledger.readCounters(partition, [...counters, sampleDelta({ keyId: 'c' })]))).toEqual(counters)
    expect(await ledger.findApplied(partition, [one.batchId, 'host.boot.9'])).toEqual(
      new Map([[one.batchId, 'counted']]),
    )
  })

  test('a batch that is split is stored and found as split', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const split = { ...sampleBatch(), count: 0, split: true as const }
    await ledger.commit(partition, { meta: await ledger.readMeta(partition), applied: [split], counters: [] })
    expect(await ledger.findApplied(partition, [split.batchId])).toEqual(new Map([[split.batchId, 'split']]))
    expect((await contentsOf(ledger, partition)).applied).toEqual([split])
  })

  test('a change that the store refuses for what is in it is refused, and nothing of it is stored', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const meta = await ledger.readMeta(partition)
    const counters = countersOf(partition, { keyId: 'a' }, { keyId: 'b', ownerId: '' })
    const commit = ledger.commit(partition, { meta, applied: [sampleBatch()], counters })
    await expect(commit).rejects.toBeInstanceOf(RefusedByStore)
    expect(await contentsOf(ledger, partition)).toEqual({ meta, applied: [], counters: [] })
  })

  test('any counters come back as they went in', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    await fc.assert(
      fc.asyncProperty(fc.array(usageDeltas(), { minLength: 1, maxLength: 20 }), async (deltas) => {
        const counters = countersOf(partition, ...deltas)
        const meta = await ledger.readMeta(partition)
        const result = await ledger.commit(partition, { meta, applied: [sampleBatch()], counters })
        expect(result.kind).toBe('committed')
        expect(byKey(await ledger.readCounters(partition, counters))).toEqual(byKey(counters))
        const scanned = await countersIn(ledger, partition)
        const changed = scanned.counters.filter(({ version }) => version === scanned.meta.batches)
        expect(byKey(changed.map(({ version: _, ...row }) => row))).toEqual(byKey(counters))
      }),
      { numRuns: 15 },
    )
  })
}

function fencing(makeLedger: () => UsageLedger): void {
  test('the fence that a commit returns is valid for the next, and a fence that has moved is not', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const empty = await ledger.readMeta(partition)
    const first = await ledger.commit(partition, { meta: empty, applied: [sampleBatch()], counters: [] })
    if (first.kind !== 'committed') throw new Error(first.kind)
    const counters = countersOf(partition, { keyId: 'a', count: 9 })
    const second = await ledger.commit(partition, { meta: first.meta, applied: [sampleBatch()], counters })
    expect(second).toMatchObject({ kind: 'committed', meta: { batches: 2, total: 6 } })
    const wrong = countersOf(partition, { keyId: 'a', count: 1 })
    const stale = { meta: first.meta, applied: [sampleBatch()], counters: wrong }
    expect(await ledger.commit(partition, stale)).toEqual({ kind: 'fenced' })
    expect(await ledger.readCounters(partition, wrong)).toEqual(counters)
  })

  test('a duplicate batch is reported, and nothing of the commit is stored', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const [one, two] = [sampleBatch(), sampleBatch()]
    await ledger.commit(partition, { meta: await ledger.readMeta(partition), applied: [one], counters: [] })
    const before = await contentsOf(ledger, partition)
    const counters = countersOf(partition, { keyId: 'a' })
    const again = await ledger.commit(partition, { meta: before.meta, applied: [two, one], counters })
    expect(again).toEqual({ kind: 'duplicate' })
    expect(await contentsOf(ledger, partition)).toEqual(before)
  })

  test('two writers that both saw an empty partition: one commits, the other is refused', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const meta = await ledger.readMeta(partition)
    await ledger.commit(partition, { meta, applied: [sampleBatch()], counters: [] })
    const late = await ledger.commit(partition, { meta, applied: [sampleBatch()], counters: [] })
    expect(['fenced', 'duplicate']).toContain(late.kind)
    expect(await ledger.readMeta(partition)).toMatchObject({ batches: 1 })
  })
}

function bounding(makeLedger: () => UsageLedger): void {
  test('a transaction holds 100 rows', async () => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const keys = Array.from({ length: 64 }, (_, index) => ({ keyId: `key-${index}` }))
    const applied = Array.from({ length: 35 }, () => sampleBatch())
    const change = { meta: await ledger.readMeta(partition), applied, counters: countersOf(partition, ...keys) }
    expect(await ledger.commit(partition, change)).toMatchObject({ kind: 'committed', meta: { batches: 35 } })
    expect(await ledger.readCounters(partition, change.counters)).toHaveLength(64)
  })

  test.each(['written to', 'empty'])('a sealed partition, %s before, refuses every commit', async (state) => {
    const ledger = makeLedger()
    const partition = freshPartition()
    const empty = await ledger.readMeta(partition)
    if (state === 'written to') await ledger.commit(partition, { meta: empty, applied: [sampleBatch()], counters: [] })
    const open = await ledger.readMeta(partition)
    await ledger.seal(partition)
    await ledger.seal(partition)
    expect(await ledger.readMeta(partition)).toMatchObject({ ...open, state: 'sealed', fence: expect.any(String) })
    const refused = await ledger.commit(partition, { meta: open, applied: [sampleBatch()], counters: [] })
    expect(refused.kind).not.toBe('committed')
  })

  test('partitions are independent', async () => {
    const ledger = makeLedger()
    const [one, other] = [freshPartition(), freshPartition()]
    const batch = sampleBatch()
    await ledger.commit(one, { meta: await ledger.readMeta(one), applied: [batch], counters: [] })
    expect(await ledger.findApplied(other, [batch.batchId])).toEqual(new Map())
    expect((await contentsOf(ledger, other)).applied).toEqual([])
  })
}

/** The contract of every UsageMonths with its UsageLedger. */
export function usageMonthsContract(name: string, makeLedger: () => UsageLedger & UsageMonths): void {
  test(`${name} drops a month as a whole, and no other`, async () => {
    const ledger = makeLedger()
    const [gone, kept] = ['29990131', '29990201'].map((day) => ({ day, shard: '03' }))
    if (gone === undefined || kept === undefined) throw new Error('two partitions')
    for (const partition of [gone, kept]) {
      await ledger.commit(partition, { meta: await ledger.readMeta(partition), applied: [sampleBatch()], counters: [] })
    }
    expect([await ledger.exists('299901'), await ledger.exists('299902')]).toEqual([true, true])
    await ledger.drop('299901')
    await ledger.drop('299901')
    expect([await ledger.exists('299901'), await ledger.exists('299902')]).toEqual([false, true])
    expect(await ledger.readMeta(gone)).toMatchObject({ fence: null, batches: 0 })
    expect(await ledger.readMeta(kept)).toMatchObject({ batches: 1 })
  })
}

/** The contract of every LateUsage. */
export function lateUsageContract(name: string, makeLate: () => LateUsage): void {
  test(`${name} stores late uses once per batch and partition, and finds them by day`, async () => {
    const late = makeLate()
    const partition = freshPartition()
    const other = { ...partition, shard: '15' }
    const deltas = Array.from({ length: 300 }, (_, index) => sampleDelta({ keyId: `key-${index}`, endpoint: '"😀"' }))
    const batch = { ...sampleBatch(), partition, deltas }
    await late.put(batch)
    await late.put(batch)
    await late.put({ ...batch, partition: other })
    await late.put({ ...batch, partition: freshPartition(), batchId: 'elsewhere.boot.1' })
    const found = await Array.fromAsync(late.scan(partition.day))
    const ofThese = found.filter(({ batchId }) => batchId === batch.batchId)
    expect(ofThese.toSorted((a, b) => (a.partition.shard < b.partition.shard ? -1 : 1))).toEqual([
      batch,
      { ...batch, partition: other },
    ])
  })
}
