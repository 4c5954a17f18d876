import type { PipelineRequest, PipelineResponse } from '@azure/core-rest-pipeline'
import { CallRejected } from './guard-errors.ts'

/** What this instance may spend at Cosmos DB: request units, as many per second as it is allowed. */
export interface RequestUnits {
  /** Resolves when so many may be spent. Throws `CallRejected` at once where that would take longer than `waitMs`. */
  spend(units: number, waitMs: number): Promise<void>
  /** Corrects what was spent by what it cost. */
  settle(estimated: number, charged: number): void
}

/** Saves up for one second. What is due is owed: whoever comes next waits until it is paid, in the order of their coming. */
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
      // What costs more than a second's worth goes when a full second's worth is there.
      const dueMs = ((Math.min(units, perSecond) - balance) / perSecond) * 1000
      if (dueMs > waitMs) throw new CallRejected('its request units are used up', Math.ceil(dueMs / 1000))
      balance -= units
      if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs))
    },
    settle(estimated, charged) {
      refill()
      balance -= charged - estimated
    },
  }
}

/** What a request is likely to cost: Microsoft's figures for 1 KiB, rounded up. A query is one page of rows. */
const READ_UNITS = 1
const QUERY_UNITS = 5
const WRITE_UNITS_PER_KIB = 6

/** The charge as the reply tells it; Cosmos DB for Table does not promise to. */
const CHARGE_HEADER = 'x-ms-request-charge'

/** What a reply says that its request cost, if it does. */
export function readCharge({ headers }: PipelineResponse): number | undefined {
  const charge = headers.get(CHARGE_HEADER)
  return charge !== undefined && Number(charge) >= 0 ? Number(charge) : undefined
}

/** Of a request of the table SDK: a point read names its row in the path, a query does not; a transaction is its body. */
export function estimateUnits({ method, url, body }: PipelineRequest): number {
  if (method === 'GET') return new URL(url).pathname.includes('PartitionKey=') ? READ_UNITS : QUERY_UNITS
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : 0
  return WRITE_UNITS_PER_KIB * Math.max(1, Math.ceil(bytes / 1024))
}
