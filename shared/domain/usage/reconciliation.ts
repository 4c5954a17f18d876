import { DAY_MS, HOUR_MS } from './range.ts'
import { findGaps, type Gap, pushInstance, type SeenBatch, wholeBatchId } from './sequence-gaps.ts'
import type { DayCounters, UsagePartition } from './usage.ts'

/** The longest that a message may wait in the queue before its gap counts as a loss. */
const QUEUE_DELAY_MS_MAX = 30 * 60_000

/** A batch as one partition counted it. */
export interface CountedBatch extends SeenBatch {
  readonly count: number
}

/** A pushed batch: how many uses were accepted, and how many of them were counted or stored as late. */
interface PushedUses {
  readonly acceptedAt: Date
  readonly accepted: number
  /** While false the caller has no answer, so only the counted uses were promised. */
  readonly sent: boolean
  readonly counted: number
}

/** The contents of one partition. */
export interface PartitionContents {
  readonly meta: { readonly batches: number; readonly total: number }
  readonly applied: readonly CountedBatch[]
  readonly counters: readonly Pick<DayCounters, 'total'>[]
}

/** One sum computed in three ways, one count of batches in two: equal in every committed state of a partition. */
export interface PartitionBalance extends UsagePartition {
  readonly metaTotal: number
  readonly batchesTotal: number
  readonly countersTotal: number
  readonly metaBatches: number
  readonly batches: number
}

export interface ReconciliationInput {
  /** Whole hours; `to` is exclusive. */
  readonly from: Date
  readonly to: Date
  readonly now: Date
  /** From one day before the window to one day after it, so that no boot is cut off. */
  readonly applied: readonly CountedBatch[]
  readonly late: readonly CountedBatch[]
  readonly pushes: readonly PushedUses[]
}

/** Uses, or batches by name, of one hour: the hour when the message was made or acknowledged, or the push accepted. */
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

/** The time range in which batches must be read for a window. */
export function readingOf(window: { readonly from: Date; readonly to: Date }): { from: Date; to: Date } {
  return { from: new Date(window.from.getTime() - DAY_MS), to: new Date(window.to.getTime() + DAY_MS) }
}

/**
 * Reports where the uses of every hour are. A batch that the queue acknowledged and no consumer has counted is in
 * flight for 30 minutes, and missing from then on.
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

/** Adds up a partition in every way. */
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

/** Whether all sums and counts agree. */
export function isBalanced(balance: PartitionBalance): boolean {
  const { metaTotal, batchesTotal, countersTotal, metaBatches, batches } = balance
  return metaTotal === batchesTotal && metaTotal === countersTotal && metaBatches === batches
}

type HourCount = Exclude<keyof ReconciledHour, 'start'>

/** A batch has a row in every partition that it touches, and counts as one batch. */
function countApplied(applied: readonly CountedBatch[], hourAt: (at: Date) => ReconciledHour | undefined): void {
  const seen = new Set<string>()
  for (const batch of applied) {
    if (batch.batchId.startsWith(`${pushInstance}.`)) continue
    const hour = hourAt(new Date(batch.at))
    add(hour, 'appliedUses', batch.count)
    const whole = wholeBatchId(batch.batchId)
    if (!seen.has(whole)) add(hour, 'appliedBatches', 1)
    seen.add(whole)
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
