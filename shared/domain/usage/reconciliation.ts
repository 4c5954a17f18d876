import type { ClosedBoot } from './boots.ts'
import { DAY_MS, HOUR_MS } from './range.ts'
import { type Gap, pushInstance, type SeenBatch, sequenceLog } from './sequence-gaps.ts'
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

/** One sum computed in three ways, one count of batches in two: equal in every committed state of a partition. */
export interface PartitionBalance extends UsagePartition {
  readonly metaTotal: number
  readonly batchesTotal: number
  readonly countersTotal: number
  readonly metaBatches: number
  readonly batches: number
}

/** The hours that are reconciled. */
export interface ReconciledWindow {
  /** Whole hours; `to` is exclusive. */
  readonly from: Date
  readonly to: Date
  readonly now: Date
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

/** One reading of a partition. What it adds up counts only once it is kept. */
export interface PartitionReading {
  batch(batch: CountedBatch): void
  counters(counters: Pick<DayCounters, 'total'>): void
  /** Every sum in each of its ways. */
  balance(partition: UsagePartition, meta: { readonly batches: number; readonly total: number }): PartitionBalance
  keep(): void
}

/** Adds up the uses of every hour. Holds hours, not batches, so it may read any number of them. */
export interface Reconciler {
  /** Read the batches from one day before the window to one day after it, so that no boot is cut off. */
  reading(): PartitionReading
  /** Call after the readings. */
  late(batch: CountedBatch): void
  push(push: PushedUses): void
  /** A boot whose numbers the queue has acknowledged up to the last. */
  closed(boot: ClosedBoot): void
  /** A batch that the queue acknowledged and no consumer has counted is in flight for 30 minutes, and missing then. */
  result(): Reconciliation
}

/** Reports where the uses of every hour are. */
export function reconciler(window: ReconciledWindow): Reconciler {
  const hours = emptyHours(window)
  const log = sequenceLog()
  const hourIndexOf = (at: Date) => Math.floor((at.getTime() - window.from.getTime()) / HOUR_MS)
  const hourAt = (at: Date) => hours[hourIndexOf(at)]
  return {
    reading: () => {
      const uses = new Array<number>(hours.length).fill(0)
      const sums = { batches: 0, batchesTotal: 0, countersTotal: 0 }
      return {
        batch: (batch) => {
          sums.batches++
          sums.batchesTotal += batch.count
          if (batch.batchId.startsWith(`${pushInstance}.`)) return
          const at = new Date(batch.at)
          uses[hourIndexOf(at)] = (uses[hourIndexOf(at)] ?? 0) + batch.count
          if (log.add(batch)) add(hourAt(at), 'appliedBatches', 1)
        },
        counters: ({ total }) => {
          sums.countersTotal += total
        },
        balance: (partition, meta) => ({ ...partition, ...sums, metaTotal: meta.total, metaBatches: meta.batches }),
        keep: () => {
          for (const [index, hour] of hours.entries()) hour.appliedUses += uses[index] ?? 0
        },
      }
    },
    late: (batch) => {
      log.add(batch)
      add(hourAt(new Date(batch.at)), 'lateUses', batch.count)
    },
    push: (push) => countPush(push, window.now, hourAt(push.acceptedAt)),
    closed: ({ producer, closedAt, lastNumber }) => {
      if (lastNumber !== null) log.close(producer, lastNumber, closedAt)
    },
    result: () => {
      const gaps = log
        .gaps(readingOf(window).from)
        .filter(({ ackedAt }) => hourAt(ackedAt) !== undefined)
        .map((gap) => ({ ...gap, missing: isOverdue(gap.ackedAt, window.now) }))
      for (const gap of gaps) {
        add(hourAt(gap.ackedAt), gap.missing ? 'missingBatches' : 'inFlightBatches', gap.last - gap.first + 1)
      }
      return { hours, gaps }
    },
  }
}

/** Whether all sums and counts agree. */
export function isBalanced(balance: PartitionBalance): boolean {
  const { metaTotal, batchesTotal, countersTotal, metaBatches, batches } = balance
  return metaTotal === batchesTotal && metaTotal === countersTotal && metaBatches === batches
}

type HourCount = Exclude<keyof ReconciledHour, 'start'>

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

function emptyHours({ from, to }: ReconciledWindow): readonly ReconciledHour[] {
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
