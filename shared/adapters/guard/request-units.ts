import type { PipelineRequest, PipelineResponse } from '@azure/core-rest-pipeline'
import { CallRejected } from './guard-errors.ts'

/** The request units that this instance may spend at Cosmos DB, bounded per second. */
export interface RequestUnits {
  /** Resolves when `units` may be spent. Throws `CallRejected` at once where that would take longer than `waitMs`. */
  spend(units: number, waitMs: number): Promise<void>
  /** Replaces the estimate that was spent by the actual charge. */
  adjust(estimated: number, charged: number): void
}

/** A token bucket that holds one second of units and may go into debt; later requests wait, first in first out. */
export function requestUnits(perSecond: number, nowMs: () => number = () => performance.now()): RequestUnits {
  let balance = perSecond
  let atMs = nowMs()

  function refill(): void {
    const now = nowMs()
    balance = Math.min(perSecond, balance + ((now - atMs) / 1000) * perSecond)
    atMs = now
  }

  return {
    async spend(units, waitMs) {
      refill()
      // A request that costs more than one second of units is sent once the bucket is full.
      const dueMs = ((Math.min(units, perSecond) - balance) / perSecond) * 1000
      if (dueMs > waitMs) throw new CallRejected('its request units are used up', Math.ceil(dueMs / 1000))
      balance -= units
      if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs))
    },
    adjust(estimated, charged) {
      refill()
      balance -= charged - estimated
    },
  }
}

/** Estimated costs: Microsoft's figures for 1 KiB, rounded up. A query is one page of rows. */
const READ_UNITS = 1
const QUERY_UNITS = 5
const WRITE_UNITS_PER_KIB = 6

/** The actual charge in a reply; Cosmos DB for Table does not promise to send it. */
const CHARGE_HEADER = 'x-ms-request-charge'

/** The charge that a reply reports, if it does. */
export function readCharge({ headers }: PipelineResponse): number | undefined {
  const charge = headers.get(CHARGE_HEADER)
  return charge !== undefined && Number(charge) >= 0 ? Number(charge) : undefined
}

/** Of a request of the table SDK: a point read names its row in the path, a query does not; a write costs by its body. */
export function estimateUnits({ method, url, body }: PipelineRequest): number {
  if (method === 'GET') return new URL(url).pathname.includes('PartitionKey=') ? READ_UNITS : QUERY_UNITS
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : 0
  return WRITE_UNITS_PER_KIB * Math.max(1, Math.ceil(bytes / 1024))
}
