import type { Environment } from '../keys/key.ts'
import type { UsageOutcome } from '../keys/verdict.ts'

export type StatusClass = '1xx' | '2xx' | '3xx' | '4xx' | '5xx'

/** One use of a known key, or `count` identical uses. */
export interface UsageEvent {
  readonly providerId: string
  readonly keyId: string
  readonly ownerId: string | null
  readonly environment: Environment
  readonly at: Date
  readonly outcome: UsageOutcome
  /** The caller's name for what was called; '' when it gave none. */
  readonly endpoint: string
  readonly statusClass: StatusClass
  readonly count: number
  readonly clientIp: string | null
}

/** Uses of one key that share hour, outcome, endpoint and status class: the unit of messages and of counting. */
export interface UsageDelta {
  readonly providerId: string
  readonly keyId: string
  readonly ownerId: string | null
  readonly environment: Environment
  /** UTC, `YYYYMMDDHH`. */
  readonly hour: string
  readonly outcome: UsageOutcome
  readonly endpoint: string
  readonly statusClass: StatusClass
  readonly count: number
  /** ISO 8601 UTC. */
  readonly lastUsedAt: string
  /** Keyed hash of the last client address, at most 32 ASCII characters. */
  readonly lastIpHash: string | null
  /** The last client address in clear, only for uses of a revoked key, as evidence. At most 39 characters. */
  readonly lastIp: string | null
}

/** A use of a revoked key. */
export interface RevokedUse {
  /** ISO 8601 UTC. */
  readonly at: string
  readonly endpoint: string
  /** null when the caller named none. */
  readonly clientIp: string | null
}

/** The part of a pushed batch that a message carries. */
export interface PushPart {
  readonly providerId: string
  readonly batchId: string
  readonly part: number
}

/** One queue message: counted as a whole, once, under its `batchId`. */
export interface UsageBatch {
  /** `<instance>.<boot>.<seq>`, made once and reused on every resend. `seq` runs 1, 2, 3 … without a gap per boot. */
  readonly batchId: string
  /** A watermark: the queue had acknowledged every lower sequence number of this boot when the message was made. */
  readonly ackedBelow: number
  /** ISO 8601 UTC, when the message was made. */
  readonly at: string
  readonly deltas: readonly UsageDelta[]
  readonly push: PushPart | null
}

/** The absolute counters of one key for one UTC day. */
export interface DayCounters {
  readonly providerId: string
  readonly keyId: string
  readonly ownerId: string | null
  readonly environment: Environment
  /** UTC, `YYYYMMDD`. */
  readonly day: string
  readonly total: number
  /** 24 numbers, one per UTC hour: all uses. */
  readonly hours: readonly number[]
  /** 24 numbers, one per UTC hour: refused uses. */
  readonly deniedHours: readonly number[]
  readonly outcomes: Readonly<Record<string, number>>
  readonly statusClasses: Readonly<Record<string, number>>
  /** At most 50 names, the busiest; `other` counts the rest. */
  readonly endpoints: Readonly<Record<string, number>>
  readonly lastUsedAt: string
  readonly lastIpHash: string | null
  /** The last use after the key was revoked; null when there was none on that day. */
  readonly lastRevokedUse: RevokedUse | null
  /** The key is erased: the counters never get an owner or an address again. */
  readonly erased?: true | undefined
}

/** A partition of the counters: one UTC day (`YYYYMMDD`), one of 16 shards (`00` … `15`). */
export interface UsagePartition {
  readonly day: string
  readonly shard: string
}
