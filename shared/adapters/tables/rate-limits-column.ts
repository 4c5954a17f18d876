import * as z from 'zod'
import { json } from './table-row.ts'

/** The rate limits of a key or a provider as one property of its row. */
export const rateLimitsText = json(
  z
    .array(
      z.object({
        name: z.string(),
        limit: z.int(),
        windowSeconds: z.int(),
        strategy: z.enum(['sliding_window', 'fixed_window']),
      }),
    )
    .readonly(),
)

/** How limits are counted over rotations and edits, or null. */
export const lineageText = json(
  z.object({ keyId: z.string().nullable(), version: z.int(), records: z.record(z.string(), z.string()) }).nullable(),
)

/** What a row of a version before this property lacks. */
export const noLineage = { lineage: 'null' }
