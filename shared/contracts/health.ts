import * as z from 'zod'

const seconds = z.number().nullable()

/** `GET /health/ready`. What is unknown or missing is null. */
export const ReadinessView = z.strictObject({
  status: z.enum(['ready', 'unavailable', 'misconfigured']),
  version: z.string(),
  /** The names of the faults: see docs/operations.md. */
  wrong: z.array(z.string()),
  /** One line per wrong setting, without its value. */
  settings: z.array(z.string()),
  /** One line per name that is no setting and looks like one. */
  warnings: z.array(z.string()),
  dependencies: z.record(z.string(), z.enum(['ok', 'unavailable'])),
  breakers: z.record(z.string(), z.enum(['closed', 'half_open', 'open'])),
  spool: z
    .strictObject({ batches: z.int(), bytes: z.int(), oldest_seconds: z.number(), pending_revocations: z.int() })
    .nullable(),
  feed_age_seconds: seconds,
  replica: z.strictObject({ keys: z.int(), age_seconds: z.number() }).nullable(),
  clock_skew_seconds: seconds,
})
export type ReadinessView = z.output<typeof ReadinessView>
