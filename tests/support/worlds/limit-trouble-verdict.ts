import { mostWithin } from './limit-simulation.ts'
import type { Policy, Span } from './limit-trouble.ts'

export interface TroubleVerdict {
  readonly admitted: number
  /** The most uses beyond the bound in any window that no outage lies in; 0 or less: it holds. */
  readonly over: number
  /** The most uses in a window that an outage lies in, over the limit. */
  readonly outageFactor: number
}

interface Evidence {
  readonly admitted: readonly number[]
  readonly policies: readonly Policy[]
  readonly outages: readonly Span[]
  readonly isClosed: boolean
}

/** An edit is known everywhere this long after its reply. */
const KNOWN_MS = 10_000
/** An instance notices the end of an outage, and a refused request of before ends, within this time. */
const NOTICED_MS = 3000

/** Checks every window against the policies that applied in it. */
export function judgeTrouble({ admitted, policies, outages, isClosed }: Evidence): TroubleVerdict {
  const sorted = [...admitted].sort((a, b) => a - b)
  let over = Number.NEGATIVE_INFINITY
  let outageFactor = 0
  for (const { fromMs, toMs, limit, windowMs } of boundsOf(policies)) {
    const times = sorted.filter((atMs) => fromMs <= atMs && atMs < toMs)
    const parts = isClosed ? [times] : apartFrom(times, outages)
    for (const part of parts) over = Math.max(over, mostWithin(part, windowMs) - limit)
    outageFactor = Math.max(outageFactor, mostWithin(times, windowMs) / limit)
  }
  return { admitted: admitted.length, over, outageFactor }
}

interface Bound extends Span {
  readonly limit: number
  readonly windowMs: number
}

/**
 * In the span of one policy, from when it is known everywhere: its own bound. Around an edit: the larger of both limits,
 * in the shorter of both windows.
 */
function boundsOf(policies: readonly Policy[]): readonly Bound[] {
  return policies.flatMap((policy, index): Bound[] => {
    const before = policies[index - 1]
    const knownMs = before === undefined ? policy.atMs : policy.atMs + KNOWN_MS
    const toMs = policies[index + 1]?.atMs ?? Number.POSITIVE_INFINITY
    const own = { fromMs: knownMs, toMs, limit: policy.limit, windowMs: policy.windowMs }
    if (before === undefined) return [own]
    const beforeMs = policies[index - 2] === undefined ? before.atMs : before.atMs + KNOWN_MS
    const limit = Math.max(before.limit, policy.limit)
    return [own, { fromMs: beforeMs, toMs, limit, windowMs: Math.min(before.windowMs, policy.windowMs) }]
  })
}

/** The times before and after the outages: a window that lies in one part touches none. */
function apartFrom(times: readonly number[], outages: readonly Span[]): readonly (readonly number[])[] {
  let parts: (readonly number[])[] = [times]
  for (const { fromMs, toMs } of outages) {
    parts = parts.flatMap((part) => [
      part.filter((atMs) => atMs < fromMs),
      part.filter((atMs) => atMs >= toMs + NOTICED_MS),
    ])
  }
  return parts
}
