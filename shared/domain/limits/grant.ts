import type { Limit } from './limit.ts'
import { activeWriters, chargedAfter, type LimitRecord, usedOf } from './limit-record.ts'
import type { TimeInterval } from './time-interval.ts'
import { type Cells, chargeable } from './window-cells.ts'

/** What an instance asks of a limit's record. */
export interface GrantRequest {
  /** Tokens that requests wait for, beyond those held. 0: nobody waits, this is for later. */
  readonly needed: number
  /** Fewer tokens than this are of no use to anyone who waits. */
  readonly least: number
  /** How many the instance will spend per ms, by what it saw lately; undefined when it has seen too little. */
  readonly rate: number | undefined
}

/** Tokens that may be spent until then, charged to one cell. */
export interface Grant {
  readonly cell: number
  readonly tokens: number
  readonly untilMs: number
}

/** `left` is what may still be granted after these grants. */
export interface Decision {
  readonly grants: readonly Grant[]
  readonly left: number
}

/** Leases end this much ahead at least, so that one taken ahead of its use is of use. */
const AHEAD_MS = 300
/** No lease lasts longer, so that what an instance holds idle is soon back. */
const LEASE_MS_MAX = 5 * 60_000
/** Whoever comes for the first time may well not come again soon. */
const UNKNOWN_TOKENS = 2
/** An instance that wrote nothing for so long is none any more. */
export const ACTIVE_WRITER_MS_MOST = 15 * 60_000

/** What is to be decided: `cells` are those of the limit and of the record. */
interface Question {
  readonly record: LimitRecord
  readonly limit: Limit
  readonly cells: Cells
  readonly interval: TimeInterval
  readonly request: GrantRequest
}

/** Decides what a record grants. It never grants beyond the limit, whatever is wished. */
export function decideGrant({ record, limit, cells, interval, request }: Question): Decision {
  const available = Math.max(0, limit.limit - usedOf(record, cells, interval))
  if (available < Math.max(1, request.least)) return { grants: [], left: available }
  const needed = Math.min(available, request.needed)
  const rest = available - needed
  const extra = cells.behind === 0 ? ofPeriod : ofRing
  const { tokens, forMs } = extra({ record, limit, cells, interval, request, rest })
  const granted = [
    { cell: chargeable(cells, interval), tokens: needed },
    { cell: cells.indexAt(interval.latestMs + forMs), tokens },
  ].filter((grant) => grant.tokens > 0)
  const untilMs = (cell: number) => Math.min(cells.endMs(cell), interval.latestMs + LEASE_MS_MAX)
  return { grants: granted.map((grant) => ({ ...grant, untilMs: untilMs(grant.cell) })), left: rest - tokens }
}

interface Situation extends Question {
  /** What is left after those who wait. */
  readonly rest: number
}

/** Tokens beyond those waited for, and for how long they are to last. */
interface Extra {
  readonly tokens: number
  readonly forMs: number
}

/**
 * The emptier the ring, the longer a lease may last: what is charged ahead counts for everybody, and is in nobody's way only
 * while there is plenty.
 */
function ofRing(situation: Situation): Extra {
  const { limit, cells, interval, rest } = situation
  if (rest >= limit.limit / 4) {
    const long = longLease(
      situation,
      rest >= limit.limit * (3 / 4) ? LEASE_MS_MAX : Math.min(LEASE_MS_MAX, cells.windowMs),
    )
    if (long !== undefined) return long
  }
  const forMs = Math.min(LEASE_MS_MAX, Math.max(AHEAD_MS, cells.windowMs / 20))
  const untilMs = cells.endMs(cells.indexAt(interval.latestMs + forMs))
  return { tokens: block(situation, untilMs - interval.latestMs), forMs }
}

/** All that is charged ahead stays within an eighth of the limit; undefined where that leaves nothing to lease. */
function longLease(
  { record, limit, cells, interval, request: { rate } }: Situation,
  longestMs: number,
): Extra | undefined {
  const room = Math.floor(limit.limit / 8) - chargedAfter(record, chargeable(cells, interval))
  const fair = limit.limit / 8 / activeWriters(record, interval.earliestMs, LEASE_MS_MAX)
  const most = Math.ceil(Math.min(room / 2, limit.limit / 32, fair))
  const tokens = Math.min(most, rate === undefined ? UNKNOWN_TOKENS : Math.ceil(rate * longestMs))
  if (tokens < 1) return undefined
  // What is used up sooner need not be charged so far ahead: twice the time that it will last is enough.
  const lastsMs = rate === undefined ? longestMs : Math.max(1000, (2 * tokens) / rate)
  return { tokens, forMs: Math.min(longestMs, lastsMs) }
}

/** A fair share of what is left, a twentieth of the limit at most, and no more than will be spent. */
function block({ record, limit, interval, cells, request: { rate }, rest }: Situation, lastingMs: number): number {
  const fair = rest / (1 + activeWriters(record, interval.earliestMs, activeSpanMs(cells)))
  return Math.floor(Math.min(fair, Math.max(1, limit.limit / 20), (rate ?? 0) * lastingMs))
}

/** Of a day or a month 1 % of what is left at most: what an instance takes with it when it dies is lost for the period. */
function ofPeriod(situation: Situation): Extra {
  const most = 'seconds' in situation.limit.window ? situation.rest : situation.rest / 100
  return { tokens: Math.floor(Math.min(most, block(situation, LEASE_MS_MAX))), forMs: 0 }
}

/** How far back an instance counts as one of those that share a limit: a window, within reason. */
function activeSpanMs({ windowMs }: Cells): number {
  return Math.min(ACTIVE_WRITER_MS_MOST, Math.max(60_000, windowMs))
}
