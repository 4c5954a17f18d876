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
