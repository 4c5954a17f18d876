import { sumCharges } from '../../domain/limits/lease.ts'
import { afterWrite, type Charges, emptyRecord, expiryOf, underPolicy } from '../../domain/limits/limit-record.ts'
import type { TimeInterval } from '../../domain/limits/time-interval.ts'
import { type Cells, intervalFor } from '../../domain/limits/window-cells.ts'
import type { LimitStore, StoredLimit } from '../../ports/limits.ts'
import type { Meter } from '../../ports/meter.ts'
import type { Scheduler } from '../../ports/runtime.ts'
import { attemptOwed, confirmOwed, noteWriters } from './allowance.ts'
import { applyNewest, type LeasedLimit } from './leased-limit.ts'
import type { StoreClock } from './store-clock.ts'

export interface RefillNeeds {
  readonly store: LimitStore
  readonly storeTime: StoreClock
  readonly scheduler: Scheduler
  readonly meter: Meter
  /** In [0, 1). */
  readonly jitter: () => number
  /** The unique name of this instance, for its lifetime. */
  readonly writer: string
}

export interface RefillContext extends RefillNeeds {
  /** Numbers the writes of this instance. */
  writes: number
}

/** Reads the record. */
export async function readRecord({ store, storeTime, writer }: RefillContext, leased: LeasedLimit): Promise<void> {
  const requestedAtMs = storeTime.now()
  const found = await store.read(leased.limit)
  leased.isShared = leased.isShared && found?.version !== leased.stored?.version
  adopt(leased, found, writer, storeTime.read())
  leased.readAtMs = requestedAtMs
}

/**
 * Takes over a record that another instance may have written. A record without this instance's last write was lost,
 * restored or pruned: the held leases are no longer charged, so they are dropped.
 */
function adopt(leased: LeasedLimit, found: StoredLimit | undefined, writer: string, interval: TimeInterval): void {
  const lastWrite = lastWriteOf(found, writer)
  if (lastWrite < leased.lastWrite) {
    leased.leases = []
    leased.pendingCharges.clear()
  }
  confirmOwed(leased, lastWrite)
  leased.lastWrite = lastWrite
  applyNewest(leased, found?.record, interval)
  leased.stored = found && { ...found, record: underPolicy(found.record, leased.own, leased.cells, interval) }
  leased.isFresh = true
  noteWriters(leased, interval.earliestMs)
}

const lastWriteOf = (found: StoredLimit | undefined, writer: string): number =>
  found?.record.writers.get(writer)?.write ?? 0

/** The record as last read or written here; an empty one when there was none. */
export const recordOf = ({ stored, cells, own }: LeasedLimit) => stored?.record ?? emptyRecord(own, cells)

/** Writes pending charges, what is owed, and grants. Returns false when the write lost a race; throws when its outcome is unknown. */
export async function writeRecord(context: RefillContext, leased: LeasedLimit, granted: Charges): Promise<boolean> {
  const { store, storeTime, meter, writer } = context
  const { limit, cells, stored } = leased
  const interval = intervalFor(cells, storeTime.read())
  const write = ++context.writes
  // Charges that arise during the write are left to the next one.
  const pendingCharges = new Map(leased.pendingCharges)
  leased.pendingCharges.clear()
  leased.isVoided = false
  const record = afterWrite(recordOf(leased), cells, {
    charges: sumCharges(pendingCharges, granted, attemptOwed(leased, write)),
    writer,
    write,
    interval,
  })
  try {
    const result = await storeTime.learnFrom(
      () => store.write(limit, record, stored?.version, new Date(expiryOf(record, cells, interval.earliestMs))),
      (done) => (done.kind === 'written' ? done.at : undefined),
    )
    const isWritten = result.kind === 'written' || lastWriteOf(result.found, writer) === write
    meter.count('auth_api_limit_writes_total', { outcome: isWritten ? 'written' : 'stale' })
    if (isWritten) leased.readAtMs = interval.earliestMs
    if (result.kind === 'written') adopt(leased, { record, version: result.version }, writer, storeTime.read())
    else adoptAfterConflict(leased, result.found, pendingCharges, { writer, write, cells, interval: storeTime.read() })
    return isWritten
  } catch (error) {
    meter.count('auth_api_limit_writes_total', { outcome: 'failed' })
    // The write may have happened. Corrections are not repeated: without them the record counts too much. What is owed
    // stays owed until a later read or write shows that it was charged.
    leased.isFresh = false
    throw error
  }
}

interface OwnWrite {
  readonly writer: string
  readonly write: number
  readonly cells: Cells
  readonly interval: TimeInterval
}

/** Restores the pending charges if the write did not happen. A later write number leaves that open: drops them. */
function adoptAfterConflict(
  leased: LeasedLimit,
  found: StoredLimit | undefined,
  pendingCharges: Charges,
  { writer, write, cells, interval }: OwnWrite,
): void {
  leased.isShared = true
  if (lastWriteOf(found, writer) < write && leased.cells === cells) {
    addTo(leased.pendingCharges, pendingCharges, 1)
  }
  adopt(leased, found, writer, interval)
}

/** Adds the charges to the sum, or takes them off. */
export function addTo(sum: Map<number, number>, charges: Charges, sign: 1 | -1): void {
  const signed = new Map([...charges].map(([cell, tokens]) => [cell, sign * tokens]))
  const all = sumCharges(sum, signed)
  sum.clear()
  for (const [cell, tokens] of all) sum.set(cell, tokens)
}
