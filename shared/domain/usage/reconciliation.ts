import { DAY_MS, HOUR_MS } from './range.ts'
import { findGaps, type Gap, pushInstance, type SeenBatch } from './sequence-gaps.ts'
import type { DayCounters, UsagePartition } from './usage.ts'

/** The longest that a message may wait in the queue before a gap is called a loss. */
const QUEUE_DELAY_MS_MAX = 30 * 60_000

/** A batch as one partition counted it. */
export interface CountedBatch extends SeenBatch {
  readonly count: number
}

/** A pushed batch: how many uses were accepted, and how many of them were counted or kept as late. */
interface PushedUses {
  readonly acceptedAt: Date
  readonly accepted: number
  /** Before that the caller has no answer, so nothing more than what was counted was promised. */
  readonly sent: boolean
  readonly counted: number
}

/** What one partition holds. */
export interface PartitionContents {
  readonly meta: { readonly batches: number; readonly total: number }
  readonly applied: readonly CountedBatch[]
  readonly counters: readonly Pick<DayCounters, 'total'>[]
}

/** Three ways to the same sum, and two to the same count of batches: equal in every committed state of a partition. */
export interface PartitionBalance extends UsagePartition {
  readonly metaTotal: number
  readonly batchesTotal: number
  readonly countersTotal: number
  readonly metaBatches: number
  readonly batches: number
}

export interface ReconciliationInput {
  /** Whole hours; `to` is not inside. */
  readonly from: Date
  readonly to: Date
  readonly now: Date
  /** From one day before the window to one day after it, so that no boot is cut. */
  readonly applied: readonly CountedBatch[]
  readonly late: readonly CountedBatch[]
  readonly pushes: readonly PushedUses[]
}

/** Uses, or where it says so batches, of one hour: the hour in which their message was made, or acknowledged, or accepted. */
interface ReconciledHour {
  readonly start: Date
  appliedUses: number
  appliedBatches: number
  lateUses: number
  inFlightBatches: number
  missingBatches: number
  pushAccepted: number
  pushCounted: number
  pushInFlight: number
  pushMissing: number
}

export interface Reconciliation {
  readonly hours: readonly ReconciledHour[]
  readonly gaps: readonly (Gap & { readonly missing: boolean })[]
}

/** Where the reading of batches has to begin and end for a window. */
export function readingOf(window: { readonly from: Date; readonly to: Date }): { from: Date; to: Date } {
  return { from: new Date(window.from.getTime() - DAY_MS), to: new Date(window.to.getTime() + DAY_MS) }
}

/**
 * Where the uses of every hour are. What the queue acknowledged and nobody has seen is in flight for 30 minutes, and
 * missing from then on.
 */
export function reconcile(input: ReconciliationInput): Reconciliation {
  const hours = emptyHours(input)
  const hourAt = (at: Date) => hours[Math.floor((at.getTime() - input.from.getTime()) / HOUR_MS)]
  countApplied(input.applied, hourAt)
  for (const batch of input.late) add(hourAt(new Date(batch.at)), 'lateUses', batch.count)
  for (const push of input.pushes) countPush(push, input.now, hourAt(push.acceptedAt))
  const readFrom = readingOf(input).from
  const gaps = findGaps([...input.applied, ...input.late], readFrom)
    .filter(({ ackedAt }) => hourAt(ackedAt) !== undefined)
    .map((gap) => ({ ...gap, missing: isOverdue(gap.ackedAt, input.now) }))
  for (const gap of gaps) {
    add(hourAt(gap.ackedAt), gap.missing ? 'missingBatches' : 'inFlightBatches', gap.last - gap.first + 1)
  }
  return { hours, gaps }
}

/** Adds up a partition in every way it can be. */
export function balanceOf(partition: UsagePartition, contents: PartitionContents): PartitionBalance {
  return {
    ...partition,
    metaTotal: contents.meta.total,
    batchesTotal: contents.applied.reduce((sum, { count }) => sum + count, 0),
    countersTotal: contents.counters.reduce((sum, { total }) => sum + total, 0),
    metaBatches: contents.meta.batches,
    batches: contents.applied.length,
  }
}

/** Whether all ways lead to the same sum. */
export function isBalanced(balance: PartitionBalance): boolean {
  const { metaTotal, batchesTotal, countersTotal, metaBatches, batches } = balance
  return metaTotal === batchesTotal && metaTotal === countersTotal && metaBatches === batches
}

type HourCount = Exclude<keyof ReconciledHour, 'start'>

/** A batch lies in every partition that it touches; it is one batch all the same. */
function countApplied(applied: readonly CountedBatch[], hourAt: (at: Date) => ReconciledHour | undefined): void {
  const seen = new Set<string>()
  for (const batch of applied) {
    if (batch.batchId.startsWith(`${pushInstance}.`)) continue
    const hour = hourAt(new Date(batch.at))
    add(hour, 'appliedUses', batch.count)
    if (!seen.has(batch.batchId)) add(hour, 'appliedBatches', 1)
    seen.add(batch.batchId)
  }
}

function countPush(push: PushedUses, now: Date, hour: ReconciledHour | undefined): void {
  const promised = push.sent ? push.accepted : push.counted
  add(hour, 'pushAccepted', promised)
  add(hour, 'pushCounted', push.counted)
  add(hour, isOverdue(push.acceptedAt, now) ? 'pushMissing' : 'pushInFlight', promised - push.counted)
}

function add(hour: ReconciledHour | undefined, name: HourCount, count: number): void {
  if (hour !== undefined) hour[name] += count
}

function isOverdue(since: Date, now: Date): boolean {
  return now.getTime() - since.getTime() > QUEUE_DELAY_MS_MAX
}

function emptyHours({ from, to }: ReconciliationInput): readonly ReconciledHour[] {
  const count = (to.getTime() - from.getTime()) / HOUR_MS
  return Array.from({ length: count }, (_, index) => ({
    start: new Date(from.getTime() + index * HOUR_MS),
    appliedUses: 0,
    appliedBatches: 0,
    lateUses: 0,
    inFlightBatches: 0,
    missingBatches: 0,
    pushAccepted: 0,
    pushCounted: 0,
    pushInFlight: 0,
    pushMissing: 0,
  }))
}
