import { ulid } from 'ulid'
import { describe, expect, test } from 'vitest'
import {
  type CountedBatch,
  isBalanced,
  type ReconciledWindow,
  reconciler,
} from '../../../../shared/domain/usage/reconciliation.ts'

const boot = ulid(Date.parse('2026-11-22T09:00:00.000Z'))

function batch(number: number, at: string, change: Partial<CountedBatch> = {}): CountedBatch {
  return {
    batchId: `host-1.${boot}.${number}`,
    ackedBelow: number,
    at: `2026-11-22T${at}:00.000Z`,
    count: 10,
    ...change,
  }
}

interface ReconciliationInput extends ReconciledWindow {
  readonly applied: readonly CountedBatch[]
  readonly late: readonly CountedBatch[]
  readonly pushes: readonly Parameters<ReturnType<typeof reconciler>['push']>[0][]
}

/** Reads every partition twice: a reading that is not kept counts no use. */
function reconcile({ applied, late, pushes, ...window }: ReconciliationInput) {
  const sums = reconciler(window)
  for (const isKept of [false, true]) {
    const reading = sums.reading()
    for (const batch of applied) reading.batch(batch)
    if (isKept) reading.keep()
  }
  for (const batch of late) sums.late(batch)
  for (const push of pushes) sums.push(push)
  return sums.result()
}

function input(change: Partial<ReconciliationInput>): ReconciliationInput {
  return {
    from: new Date('2026-11-22T10:00:00Z'),
    to: new Date('2026-11-22T12:00:00Z'),
    now: new Date('2026-11-22T12:00:00Z'),
    applied: [],
    late: [],
    pushes: [],
    ...change,
  }
}

describe('reconciling hours', () => {
  test('counts a batch over several partitions once, and its uses in each', () => {
    const applied = [batch(1, '10:05'), batch(1, '10:05', { count: 7 }), batch(2, '11:05')]
    expect(reconcile(input({ applied })).hours).toMatchObject([
      { appliedBatches: 1, appliedUses: 17 },
      { appliedBatches: 1, appliedUses: 10 },
    ])
  })

  test('reports an acknowledged batch as in flight for 30 minutes, then as missing', () => {
    const applied = [batch(1, '10:00'), batch(3, '11:30')]
    const at = (now: string) => reconcile(input({ applied, now: new Date(`2026-11-22T${now}Z`) })).hours[1]
    expect(at('12:00:00')).toMatchObject({ inFlightBatches: 1, missingBatches: 0 })
    expect(at('12:00:01')).toMatchObject({ inFlightBatches: 0, missingBatches: 1 })
  })

  test('does not report a late batch as missing', () => {
    const found = reconcile(input({ applied: [batch(1, '10:00'), batch(3, '10:20')], late: [batch(2, '10:10')] }))
    expect(found.gaps).toEqual([])
    expect(found.hours[0]).toMatchObject({ lateUses: 10, missingBatches: 0 })
  })

  test('ignores gaps that were acknowledged outside the window', () => {
    const applied = [batch(1, '08:00'), batch(3, '09:30'), batch(4, '10:10')]
    const found = reconcile(input({ applied }))
    expect(found.gaps).toEqual([])
    expect(found.hours.every(({ missingBatches }) => missingBatches === 0)).toBe(true)
  })

  test('reports how many pushed uses are counted, in flight and missing', () => {
    const push = (acceptedAt: string) => ({
      acceptedAt: new Date(`2026-11-22T${acceptedAt}Z`),
      accepted: 5,
      sent: true,
      counted: 3,
    })
    const found = reconcile(input({ pushes: [push('10:15:00'), push('11:45:00')] }))
    expect(found.hours).toMatchObject([
      { pushAccepted: 5, pushCounted: 3, pushInFlight: 0, pushMissing: 2 },
      { pushAccepted: 5, pushCounted: 3, pushInFlight: 2, pushMissing: 0 },
    ])
  })

  test('does not report uses as missing that were never promised: a push that was not sent in full', () => {
    const push = { acceptedAt: new Date('2026-11-22T10:15:00Z'), accepted: 5, sent: false, counted: 3 }
    expect(reconcile(input({ pushes: [push] })).hours[0]).toMatchObject({
      pushAccepted: 3,
      pushCounted: 3,
      pushInFlight: 0,
      pushMissing: 0,
    })
  })

  test('has an entry for every hour of the window, also without a use', () => {
    expect(reconcile(input({})).hours.map(({ start }) => start.toISOString())).toEqual([
      '2026-11-22T10:00:00.000Z',
      '2026-11-22T11:00:00.000Z',
    ])
  })
})

describe('the balance of a partition', () => {
  const partition = { day: '20261122', shard: '00' }
  const contents = {
    meta: { batches: 2, total: 30 },
    applied: [batch(1, '10:00'), batch(2, '10:01', { count: 20 })],
    counters: [{ total: 12 }, { total: 18 }],
  }

  function balanceOf({ meta, applied, counters }: typeof contents) {
    const { from, to, now } = input({})
    const reading = reconciler({ from, to, now }).reading()
    for (const one of applied) reading.batch(one)
    for (const one of counters) reading.counters(one)
    return reading.balance(partition, meta)
  }

  test('holds when the batches, the counters and the fence row agree', () => {
    expect(isBalanced(balanceOf(contents))).toBe(true)
  })

  test('is broken by a lost counter, a lost batch, a use too many, and a batch missing from the fence row', () => {
    const broken = [
      { ...contents, counters: contents.counters.slice(1) },
      { ...contents, applied: contents.applied.slice(1) },
      { ...contents, counters: [{ total: 13 }, { total: 18 }] },
      { ...contents, applied: [...contents.applied, batch(3, '10:02', { count: 0 })] },
    ]
    expect(broken.map((one) => isBalanced(balanceOf(one)))).toEqual([false, false, false, false])
  })
})
