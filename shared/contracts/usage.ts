import * as z from 'zod'
import type { RangeEdge } from '../domain/usage/range.ts'
import { holdsNoKey, Instant, KeyId, line, NO_KEY, ProviderId, usageOutcomes } from './fields.ts'
import { listOf, matching, oneOf, wholeNumber } from './wording.ts'

/** An end of a range: a UTC date, or an instant in any offset. As `to`, a date is inside the range and an instant is not. */
const EDGE = 'must be a date such as 2027-01-31, or an instant such as 2027-01-31T10:00:00Z'
/** A + that the caller left unencoded arrives as a blank. */
const LOST_PLUS = /T\S* \d\d:?\d\d$/

const Edge = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: ({ input }) => (LOST_PLUS.test(String(input)) ? `${EDGE}: write the + of an offset as %2B` : EDGE),
  })
  .transform((text): RangeEdge => ({ at: new Date(text), wholeDay: !text.includes('T') }))

const rangeFields = {
  from: Edge.optional(),
  to: Edge.optional(),
  granularity: oneOf(['hour', 'day']).default('day'),
}

/** `GET /auth/keys/{token_id}/usage`. */
export const KeyUsageQuery = z.strictObject(rangeFields)

/** `GET /auth/usage`. */
export const ProviderUsageQuery = z.strictObject({
  provider_id: ProviderId.optional(),
  group_by: oneOf(['key', 'owner', 'environment', 'endpoint']).optional(),
  ...rangeFields,
})

/** `GET /auth/usage/reconciliation`: whole hours, 48 at most; by default the last 24. */
export const ReconciliationQuery = z.strictObject({ from: Edge.optional(), to: Edge.optional() })

const BatchId = matching(/^[A-Za-z0-9_-]{8,64}$/, '8 to 64 of A-Z, a-z, 0-9, _ and -').refine(holdsNoKey, NO_KEY)

/** `POST /auth/keys/batch/usage`. An operator names the provider; a missing `batch_id` is generated. */
export const PushQuery = z.strictObject({ provider_id: ProviderId.optional(), batch_id: BatchId.optional() })

/** `GET /auth/keys/batch/usage/{batch_id}`. */
export const PushStatusQuery = z.strictObject({ provider_id: ProviderId.optional() })

export const PushParams = z.object({ batch_id: BatchId })

const MAX_EVENTS = 10_000

const Events = listOf(z.unknown(), 'events', MAX_EVENTS, 1)

/** The JSON body of a push: the events, or an object that names them. NDJSON is one event per line. */
export const PushBody = z.preprocess(
  (body) => (Array.isArray(body) ? { events: body } : body),
  z.strictObject({ batch_id: BatchId.optional(), events: Events }),
)

/** One event of a push; each is validated on its own. */
export const PushedEventBody = z.strictObject({
  key_id: KeyId,
  at: Instant.optional(),
  outcome: z.enum(usageOutcomes, 'must be a verdict code, such as VALID or RATE_LIMITED').default('VALID'),
  endpoint: z
    .union([z.literal(''), line(255)], 'must be text of 255 characters at most, without control characters or a key')
    .default(''),
  /** HTTP status of the answer; without it, 2xx for VALID and 4xx for refusals. */
  status: wholeNumber(100, 599).optional(),
  count: wholeNumber(1, 1_000_000).default(1),
  id: line(128).optional(),
})

const instant = z.iso.datetime()
const count = z.int()
const counts = z.record(z.string(), count)

const usageFields = {
  from: instant,
  /** Not inside the range. */
  to: instant,
  granularity: z.enum(['hour', 'day']),
  totals: z.strictObject({ total: count, valid: count, denied: count }),
  /** The `by_…` counts are stored per day: they cover the range widened to whole UTC days. */
  breakdown_from: instant,
  breakdown_to: instant,
  by_outcome: counts,
  by_status: counts,
  by_endpoint: counts,
  last_used_at: instant.nullable(),
  buckets: z.array(z.strictObject({ start: instant, total: count, denied: count })),
}

export const KeyUsageView = z.strictObject({
  key_id: z.string(),
  provider_id: z.string(),
  ...usageFields,
  /** Stored per day like the `by_…` counts; null without such a use. `last_client_ip` is null where the use had none. */
  uses_after_revocation: z
    .strictObject({
      count,
      last_at: instant,
      last_client_ip: z.string().nullable(),
      last_endpoint: z.string(),
    })
    .nullable(),
})
export type KeyUsageView = z.output<typeof KeyUsageView>

export const ProviderUsageView = z.strictObject({
  provider_id: z.string(),
  ...usageFields,
  group_by: z.enum(['key', 'owner', 'environment', 'endpoint']).nullable(),
  /** The 1,000 groups with the most uses. `denied` and `last_used_at` are null for endpoints. */
  groups: z
    .array(
      z.strictObject({
        group: z.string().nullable(),
        total: count,
        denied: count.nullable(),
        last_used_at: instant.nullable(),
      }),
    )
    .nullable(),
  /** All other groups in one sum. */
  other: z.strictObject({ groups: count, total: count }).nullable(),
})
export type ProviderUsageView = z.output<typeof ProviderUsageView>

const Rejected = z.array(
  z.strictObject({
    index: z.int(),
    pointer: z.string(),
    code: z.enum(['malformed_json', 'invalid_event', 'key_not_found', 'too_old', 'in_the_future']),
    detail: z.string(),
  }),
)

/** `accepted`, `duplicate`, `applied` and `late` are uses: an event with a `count` of 5 is five. */
export const PushView = z.strictObject({
  batch_id: z.string(),
  status_url: z.string(),
  accepted: count,
  duplicate: count,
  rejected: Rejected,
})
export type PushView = z.output<typeof PushView>

/** Once completed, `applied` + `late` = `accepted`. The counters omit `late` uses: their day was sealed before. */
export const PushStatusView = z.strictObject({
  batch_id: z.string(),
  status: z.enum(['queued', 'processing', 'completed']),
  accepted_at: instant,
  accepted: count,
  applied: count,
  late: count,
  duplicate: count,
  rejected: Rejected,
})
export type PushStatusView = z.output<typeof PushStatusView>

/** `in_flight` and `missing` under `batches` count messages, whose uses are unknown; every other field counts uses. */
export const ReconciliationView = z.strictObject({
  from: instant,
  to: instant,
  verdict: z.enum(['ok', 'alarm']),
  hours: z.array(
    z.strictObject({
      start: instant,
      applied: count,
      late: count,
      batches: z.strictObject({ applied: count, in_flight: count, missing: count }),
      pushed: z.strictObject({ accepted: count, counted: count, in_flight: count, missing: count }),
    }),
  ),
  boots: z.array(
    z.strictObject({
      instance: z.string(),
      boot: z.string(),
      gaps: z.array(
        z.strictObject({ first: count, last: count, acked_at: instant, state: z.enum(['in_flight', 'missing']) }),
      ),
    }),
  ),
  /** Disks that may hold uses which the queue does not have; `unclosed`: silent for a day. */
  spools: z.array(
    z.strictObject({
      instance: z.string(),
      boot: z.string(),
      state: z.enum(['open', 'unclosed']),
      opened_at: instant,
      reported_at: instant,
      last_number: count.nullable(),
      waiting_messages: count,
      waiting_bytes: count,
    }),
  ),
  /** Messages in the queues now. */
  queue: z.strictObject({ waiting: count, poison: count }),
  partitions: z.strictObject({
    balanced: count,
    unsettled: count,
    unbalanced: z.array(
      z.strictObject({
        partition: z.string(),
        meta_total: count,
        batches_total: count,
        counters_total: count,
        meta_batches: count,
        batches: count,
      }),
    ),
  }),
})
export type ReconciliationView = z.output<typeof ReconciliationView>
