import { z } from 'zod'
import type { LimitRecord } from '../../domain/limits/limit-record.ts'

/** `cells`: cell and tokens. `writers`: instance, number of its last write, and when that was, in ms since the epoch. */
export const ring = z.object({
  division: z.string(),
  /** The version of the newest edit, and its limit. */
  policy: z.tuple([z.int(), z.int()]),
  cells: z.array(z.tuple([z.int(), z.int().positive()])),
  writers: z.array(z.tuple([z.string(), z.int(), z.int()])),
})

export function toRecord({ division, policy: [version, limit], cells, writers }: z.output<typeof ring>): LimitRecord {
  return {
    division,
    policy: { version, limit },
    cells: new Map(cells),
    writers: new Map(writers.map(([writer, write, atMs]) => [writer, { write, atMs }])),
  }
}

export function fromRecord({ division, policy, cells, writers }: LimitRecord): z.output<typeof ring> {
  return {
    division,
    policy: [policy.version, policy.limit],
    cells: [...cells],
    writers: [...writers].map(([writer, { write, atMs }]) => [writer, write, atMs]),
  }
}
