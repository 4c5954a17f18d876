import type { Key } from '../keys/key.ts'
import type { UsageOutcome } from '../keys/verdict.ts'
import { dayName, isClosedDay, SEAL_AFTER_DAYS, SKEW_MS_MAX } from './calendar.ts'
import { countedEndpoint } from './endpoint-names.ts'
import type { StatusClass, UsageEvent, UsagePartition } from './usage.ts'

/** One use, or `count` identical uses, as a caller reports them. */
export interface PushedEvent {
  readonly keyId: string
  /** null: the time when the batch was received. */
  readonly at: Date | null
  readonly outcome: UsageOutcome
  readonly endpoint: string
  readonly statusClass: StatusClass
  readonly count: number
  /** The caller's id of the event: a second event of its provider with this id is a duplicate, for 35 days. */
  readonly id: string | null
}

export type RejectionCode = 'malformed_json' | 'invalid_event' | 'key_not_found' | 'too_old' | 'in_the_future'

/** Why one event of a batch is not counted. */
export interface Rejection {
  /** The position of the event in the batch, from 0. */
  readonly index: number
  /** RFC 6901, into the event, as a URI fragment. */
  readonly pointer: string
  readonly code: RejectionCode
  readonly detail: string
}

/** One parsed event of a batch. */
export type PushedItem =
  | { readonly kind: 'event'; readonly index: number; readonly event: PushedEvent }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

/** An event that counts unless an earlier push counted its id. */
export interface Candidate {
  readonly event: UsageEvent
  readonly id: string | null
}

/** `duplicate` are uses whose id is in the batch twice. */
export interface PushDecision {
  readonly candidates: readonly Candidate[]
  readonly duplicate: number
  readonly rejected: readonly Rejection[]
}

/** `accepted` and `duplicate` are uses: an event with a `count` of 5 is five. */
export interface AcceptedEvents {
  readonly events: readonly UsageEvent[]
  readonly accepted: number
  readonly duplicate: number
}

/** How long the id of a counted event is known: from the oldest time that an event may have to the end of its day. */
export const EVENT_ID_DAYS = SEAL_AFTER_DAYS + 2

/** An accepted batch. Its numbers never change. */
export interface PushRecord {
  readonly batchId: string
  /** SHA-256 of the body, hex. */
  readonly bodyDigest: string
  /** Separates the messages of this attempt from those of another attempt, which may be cut differently. */
  readonly attempt: string
  readonly acceptedAt: Date
  readonly accepted: number
  readonly duplicate: number
  readonly rejected: readonly Rejection[]
  /** How many messages carry the batch. */
  readonly parts: number
  /** Whether the queue has acknowledged every message. */
  readonly sent: boolean
}

/** A partition of the counters, and how many batches it had counted once a part was counted. */
export interface CountedPartition extends UsagePartition {
  readonly batches: number
}

/** A counted part: uses in the counters, and uses that came too late for the counters. */
export interface PushedPart {
  readonly part: number
  readonly applied: number
  readonly late: number
  /** Reports show the part once the roll-up has copied as many batches of each. */
  readonly partitions: readonly CountedPartition[]
}

export interface PushProgress {
  readonly status: 'queued' | 'processing' | 'completed'
  readonly applied: number
  readonly late: number
  readonly partsCounted: number
}

/** Decides which events may count. `keys` holds the keys of the events that exist within the caller's scope. */
export function decidePush(items: readonly PushedItem[], keys: ReadonlyMap<string, Key>, now: Date): PushDecision {
  const judged = items.map((item) => (item.kind === 'event' ? judgeEvent(item.index, item.event, keys, now) : item))
  const rejected = judged.flatMap((item) => (item.kind === 'rejected' ? [item.rejection] : []))
  const candidates: Candidate[] = []
  const seen = new Set<string>()
  let duplicate = 0
  for (const item of judged) {
    if (item.kind === 'rejected') continue
    if (item.id !== null && seen.has(item.id)) {
      duplicate += item.event.count
      continue
    }
    candidates.push({ event: item.event, id: item.id })
    if (item.id !== null) seen.add(item.id)
  }
  return { candidates, duplicate, rejected }
}

/** What counts of a batch, given the ids that earlier pushes have counted. */
export function acceptEvents({ candidates, duplicate }: PushDecision, countedIds: ReadonlySet<string>): AcceptedEvents {
  const isNew = ({ id }: Candidate) => id === null || !countedIds.has(id)
  const events = candidates.filter(isNew).map(({ event }) => event)
  const accepted = events.reduce((sum, { count }) => sum + count, 0)
  const all = candidates.reduce((sum, { event }) => sum + event.count, 0)
  return { events, accepted, duplicate: duplicate + all - accepted }
}

/** The distinct key ids in the events of a batch. */
export function keyIdsOf(items: readonly PushedItem[]): readonly string[] {
  return [...new Set(items.flatMap((item) => (item.kind === 'event' ? [item.event.keyId] : [])))]
}

/** The progress of an accepted batch. `visible`: reports show every counted part. */
export function pushProgress(record: PushRecord, parts: readonly PushedPart[], visible: boolean): PushProgress {
  const applied = parts.reduce((sum, part) => sum + part.applied, 0)
  const late = parts.reduce((sum, part) => sum + part.late, 0)
  const started = parts.length === 0 ? 'queued' : 'processing'
  return {
    status: parts.length >= record.parts && visible ? 'completed' : started,
    applied,
    late,
    partsCounted: parts.length,
  }
}

type Judged =
  | { readonly kind: 'counts'; readonly event: UsageEvent; readonly id: string | null }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

function judgeEvent(index: number, event: PushedEvent, keys: ReadonlyMap<string, Key>, now: Date): Judged {
  const key = keys.get(event.keyId)
  if (key === undefined || key.environment === null) {
    return reject({ index, pointer: '#/key_id', code: 'key_not_found', detail: 'There is no such key.' })
  }
  const at = event.at ?? now
  if (isClosedDay(dayName(at), now)) {
    const detail = `The event is more than ${SEAL_AFTER_DAYS} days old: its day is closed.`
    return reject({ index, pointer: '#/at', code: 'too_old', detail })
  }
  if (at.getTime() > now.getTime() + SKEW_MS_MAX) {
    const detail = `The event is more than ${SKEW_MS_MAX / 60_000} minutes ahead of the service's clock.`
    return reject({ index, pointer: '#/at', code: 'in_the_future', detail })
  }
  return {
    kind: 'counts',
    id: event.id,
    event: {
      providerId: key.providerId,
      keyId: key.keyId,
      ownerId: key.ownerId,
      environment: key.environment,
      at,
      outcome: event.outcome,
      endpoint: countedEndpoint(event.endpoint),
      statusClass: event.statusClass,
      count: event.count,
      clientIp: null,
    },
  }
}

function reject(rejection: Rejection): Judged {
  return { kind: 'rejected', rejection }
}
