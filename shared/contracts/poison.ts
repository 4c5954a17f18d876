import * as z from 'zod'
import type { PoisonReason } from '../domain/usage/poison.ts'
import { holdsNoKey, NO_KEY } from './fields.ts'
import { listOf, matching, queryNumber, shortText } from './wording.ts'

/** `GET /auth/usage/poison`. */
export const PoisonQuery = z.strictObject({
  limit: queryNumber(1, 100).default(50),
  cursor: shortText(2048).optional(),
})

const PoisonId = matching(/^[A-Za-z0-9._-]{1,240}$/, 'the id of a message as the listing shows it').refine(
  holdsNoKey,
  NO_KEY,
)

/** `POST /auth/usage/poison/replay`: some messages by id, or expressly all. */
export const ReplayPoisonBody = z
  .strictObject({
    ids: listOf(PoisonId, 'messages', 100, 1).optional(),
    all: z.literal(true, 'must be true, or be left out').optional(),
  })
  .refine(({ ids, all }) => (ids === undefined) !== (all === undefined), 'must have `ids` or `all`, and not both')

const instant = z.iso.datetime()

/** One message that is set aside. What is in it is shown as counts and ids; null where the body is no usage message. */
export const PoisonedView = z.strictObject({
  id: z.string(),
  reason: z.enum(['refused', 'unreadable', 'delivered_too_often'] satisfies PoisonReason[]),
  detail: z.string(),
  set_aside_at: instant,
  message: z
    .strictObject({
      made_at: instant,
      redrives: z.int(),
      /** All uses of the message: those that were counted are not counted again. */
      uses: z.int(),
      keys: z.int(),
      /** The first 20. */
      key_ids: z.array(z.string()),
      provider_ids: z.array(z.string()),
      batch_id: z.string().nullable(),
    })
    .nullable(),
})
export type PoisonedView = z.output<typeof PoisonedView>

export const PoisonPage = z.strictObject({ items: z.array(PoisonedView), next_cursor: z.string().nullable() })

export const ReplayPoisonView = z.strictObject({
  replayed: z.array(z.string()),
  missing: z.array(z.string()),
  more: z.boolean(),
})
