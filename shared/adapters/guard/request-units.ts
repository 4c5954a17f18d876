import type { PipelineRequest, PipelineResponse } from '@azure/core-rest-pipeline'
import { CallRejected } from './guard-errors.ts'
import type { Lane } from './lanes.ts'

/** The request units that one lane of this instance may spend at Cosmos DB, bounded per second. */
export interface RequestUnits {
  /**
   * Resolves when `units` are spent. Throws `CallRejected` as soon as that would take longer than `waitMs`. The bulkhead
   * lets one request of a lane pay at a time.
   */
  spend(units: number, waitMs: number): Promise<void>
  /** Replaces the estimate that was spent by the actual charge. */
  adjust(estimated: number, charged: number): void
}

/** The share of each lane, from the most to the least important. */
const shares: Readonly<Record<Lane, number>> = {
  ...{ revocation: 0.1, limits: 0.2 },
  ...{ lookup: 0.3, management: 0.2, background: 0.2 },
}
/** What these lanes have saved is theirs: no lane borrows it. */
const RESERVED: ReadonlySet<Lane> = new Set(['revocation', 'limits'])
const lanes = Object.keys(shares) as Lane[]
const RECHECK_MS = 5
const EPSILON = 1e-6

/** A token bucket that holds one second of its lane's share. In debt after a request that cost more than it held. */
interface Bucket {
  readonly lane: Lane
  readonly capacity: number
  balance: number
}

/**
 * Divides a budget per second among the lanes. What a full bucket cannot hold flows to the next lane; a lane whose bucket
 * is empty borrows from the lanes below it. So each lane can rely on its share, the upper lanes get more when they need
 * it, and background work spends what is left over. A debt is its own lane's alone.
 */
export function requestUnits(
  perSecond: number,
  nowMs: () => number = () => performance.now(),
): Readonly<Record<Lane, RequestUnits>> {
  const buckets = lanes.map(
    (lane): Bucket => ({ lane, capacity: perSecond * shares[lane], balance: perSecond * shares[lane] }),
  )
  let atMs = nowMs()

  function refill(): void {
    const seconds = (nowMs() - atMs) / 1000
    atMs += seconds * 1000
    let overflow = 0
    for (const bucket of buckets) {
      const balance = bucket.balance + bucket.capacity * seconds + overflow
      bucket.balance = Math.min(bucket.capacity, balance)
      overflow = balance - bucket.balance
    }
  }

  function laneUnits(own: Bucket, lenders: readonly Bucket[]): RequestUnits {
    const both = [own, ...lenders]
    const capacity = both.reduce((sum, bucket) => sum + bucket.capacity, 0)
    const available = () => lenders.reduce((sum, { balance }) => sum + Math.max(0, balance), own.balance)

    function take(units: number): void {
      let left = units - Math.max(0, Math.min(units, own.balance))
      own.balance -= units - left
      for (const lender of lenders) {
        const lent = Math.min(left, Math.max(0, lender.balance))
        lender.balance -= lent
        left -= lent
      }
      own.balance -= left
    }

    /** How soon, at the earliest, `units` could be spent; 0: now. */
    function earliestInMs(units: number): number {
      refill()
      // A request that costs more than the buckets hold is sent once they are full.
      const missing = Math.min(units, capacity) - available()
      return missing < EPSILON ? 0 : Math.max(RECHECK_MS, (missing / perSecond) * 1000)
    }

    return {
      async spend(units, waitMs) {
        const untilMs = nowMs() + waitMs
        for (let inMs = earliestInMs(units); inMs > 0; inMs = earliestInMs(units)) {
          if (nowMs() + inMs > untilMs) {
            throw new CallRejected('its request units are used up', Math.ceil(inMs / 1000))
          }
          await new Promise((resolve) => setTimeout(resolve, inMs))
        }
        take(units)
      },
      adjust(estimated, charged) {
        refill()
        own.balance -= charged - estimated
      },
    }
  }

  const unitsOf = (lane: Lane, index: number) => {
    const [own, ...below] = buckets.slice(index)
    if (own === undefined) throw new RangeError(`There is no lane ${lane}.`)
    // The least important lane lends first.
    return laneUnits(own, below.filter((bucket) => !RESERVED.has(bucket.lane)).reverse())
  }
  return Object.fromEntries(lanes.map((lane, index) => [lane, unitsOf(lane, index)])) as Record<Lane, RequestUnits>
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
