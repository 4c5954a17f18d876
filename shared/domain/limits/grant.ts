import type { Limit } from './limit.ts'
import { activeWriters, chargedAfter, type LimitRecord, usedOf } from './limit-record.ts'
import type { TimeInterval } from './time-interval.ts'
import { type Cells, chargeable } from './window-cells.ts'

/** What an instance asks of a limit's record. */
export interface GrantRequest {
  /** Tokens that requests wait for, beyond the tokens held. 0: a refill ahead of demand. */
  readonly needed: number
  /** Fewer tokens than this satisfy no waiting request. */
  readonly minTokens: number
  /** Tokens per ms, from recent uses; undefined before the second use. */
  readonly rate: number | undefined
}

/** Tokens that may be spent until `untilMs`, charged to one cell. */
export interface Grant {
  readonly cell: number
  readonly tokens: number
  readonly untilMs: number
}

/** `left`: tokens that may still be granted after these grants. */
export interface Decision {
  readonly grants: readonly Grant[]
  readonly left: number
}

/** A refill lasts for this part of the window. */
const AHEAD_PART = 20
/** In a shorter window a token that is leased for long costs more than a request to the store. */
const LONG_LEASE_WINDOW_MS = 10_000
/** How long a write may take, in a short window this part of it. */
const WRITE_MS = 200
const WRITE_PART = 20
/** No lease lasts longer, so that idle tokens return soon. */
const LEASE_MS_MAX = 5 * 60_000
/** What an instance may lose of a day or a month when it dies. */
const FEW_MS = 5000
const FEW_TOKENS = 10
/** While the rate is unknown: the next use may be far off. */
const FIRST_LEASE_TOKENS = 2
/** An instance that wrote nothing for this long counts as stopped. */
export const ACTIVE_WRITER_MS_MAX = 15 * 60_000

/** `cells` is the division of the limit and of the record. */
interface GrantInputs {
  readonly record: LimitRecord
  readonly limit: Limit
  readonly cells: Cells
  readonly interval: TimeInterval
  readonly request: GrantRequest
}

/** Decides what a record grants. Never grants beyond the limit, whatever the request. */
export function decideGrant({ record, limit, cells, interval, request }: GrantInputs): Decision {
  const available = Math.max(0, limit.limit - usedOf(record, cells, interval))
  if (available < Math.max(1, request.minTokens)) return { grants: [], left: available }
  const needed = Math.min(available, request.needed)
  const remaining = available - needed
  const extraOf = cells.lookback === 0 ? fixedExtra : slidingExtra
  const { tokens, durationMs } = extraOf({ record, limit, cells, interval, request, remaining })
  const granted = [
    { cell: neededCell(cells, interval), tokens: needed },
    { cell: cells.indexAt(interval.latestMs + durationMs), tokens },
  ].filter((grant) => grant.tokens > 0)
  const untilMs = (cell: number) => Math.min(cells.endMs(cell), interval.latestMs + LEASE_MS_MAX)
  return { grants: granted.map((grant) => ({ ...grant, untilMs: untilMs(grant.cell) })), left: remaining - tokens }
}

/**
 * Where the tokens of waiting requests are charged: they must outlast the write. A token spent sooner moves to the cell of
 * its spending with the next write.
 */
function neededCell(cells: Cells, { latestMs }: TimeInterval): number {
  return cells.indexAt(latestMs + (cells.lookback === 0 ? 0 : Math.min(WRITE_MS, cells.windowMs / WRITE_PART)))
}

interface ExtraInputs extends GrantInputs {
  /** Available tokens after the waiting requests got theirs. */
  readonly remaining: number
}

/** Tokens beyond the waiting requests, and how long they should last. */
interface Extra {
  readonly tokens: number
  readonly durationMs: number
}

/**
 * The emptier the ring, the longer a lease may last. Tokens charged ahead count against every instance, which is
 * harmless only while the limit is far off.
 */
function slidingExtra(inputs: ExtraInputs): Extra {
  const { limit, cells, interval, remaining } = inputs
  const isMostlyFree = remaining >= limit.limit * (3 / 4)
  if (isMostlyFree || (remaining >= limit.limit / 4 && cells.windowMs >= LONG_LEASE_WINDOW_MS)) {
    const lease = longLease(inputs, isMostlyFree ? LEASE_MS_MAX : Math.min(LEASE_MS_MAX, cells.windowMs))
    if (lease !== undefined) return lease
  }
  const durationMs = Math.min(LEASE_MS_MAX, cells.windowMs / AHEAD_PART)
  const untilMs = cells.endMs(cells.indexAt(interval.latestMs + durationMs))
  return { tokens: blockSize(inputs, untilMs - interval.latestMs), durationMs }
}

/** Charges ahead stay within an eighth of the limit. Returns undefined where that leaves no token to lease. */
function longLease(
  { record, limit, cells, interval, request: { rate } }: ExtraInputs,
  longestMs: number,
): Extra | undefined {
  const room = Math.floor(limit.limit / 8) - chargedAfter(record, chargeable(cells, interval))
  const fair = limit.limit / 8 / activeWriters(record, interval.earliestMs, LEASE_MS_MAX)
  const maxTokens = Math.ceil(Math.min(room / 2, limit.limit / 32, fair))
  const tokens = Math.min(maxTokens, rate === undefined ? FIRST_LEASE_TOKENS : Math.ceil(rate * longestMs))
  if (tokens < 1) return undefined
  // Tokens spent sooner need not be charged so far ahead: twice the time they will last is enough.
  const lastsMs = rate === undefined ? longestMs : Math.max(1000, (2 * tokens) / rate)
  return { tokens, durationMs: Math.min(longestMs, lastsMs) }
}

/** A fair share of the remaining tokens: at most a twentieth of the limit, and no more than the rate will spend. */
function blockSize(
  { record, limit, interval, cells, request: { rate }, remaining }: ExtraInputs,
  durationMs: number,
): number {
  const fair = remaining / (1 + activeWriters(record, interval.earliestMs, activeSpanMs(cells)))
  return Math.floor(Math.min(fair, Math.max(1, limit.limit / 20), (rate ?? 0) * durationMs))
}

/**
 * Of a day or a month a few seconds' worth, or a few tokens, and never more than 1 % of what remains: tokens of an
 * instance that dies are lost for the period, since no record says how many of them it spent.
 */
function fixedExtra(inputs: ExtraInputs): Extra {
  const { limit, remaining, request } = inputs
  if ('seconds' in limit.window) return { tokens: blockSize(inputs, LEASE_MS_MAX), durationMs: 0 }
  const few = Math.min(FEW_TOKENS, remaining / 1000)
  const tokens = Math.min(remaining / 100, blockSize(inputs, LEASE_MS_MAX), Math.max(few, (request.rate ?? 0) * FEW_MS))
  return { tokens: Math.floor(tokens), durationMs: 0 }
}

/** An instance that wrote the record within this span shares the limit: one window, within bounds. */
function activeSpanMs({ windowMs }: Cells): number {
  return Math.min(ACTIVE_WRITER_MS_MAX, Math.max(60_000, windowMs))
}
