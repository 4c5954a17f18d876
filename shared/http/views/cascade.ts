import * as z from 'zod'
import type { Services } from '../../app/services.ts'
import type { CascadeView } from '../../contracts/keys.ts'
import type { CascadeProgress, CascadeResult } from '../../operations/keys/revoke-made-keys.ts'
import { signCursor, verifyCursor } from '../cursor.ts'

const Progress = z.strictObject({
  after: z.string().nullable(),
  begunAtMs: z.number().nullable(),
  lastRevokedAtMs: z.number(),
})

/** Where a cascade goes on. Throws `invalid_cursor` where the cursor was altered, or belongs to another key's cascade. */
export function readCascadeCursor(
  { cursorKeys }: Pick<Services, 'cursorKeys'>,
  keyId: string,
  cursor: string | undefined,
): CascadeProgress | undefined {
  if (cursor === undefined) return undefined
  return Progress.parse(JSON.parse(verifyCursor(cursorKeys, bindingOf(keyId), cursor)))
}

/** The field and the header of an answer that tell of a cascade; none without one. */
export function toCascadeParts(
  { cursorKeys }: Pick<Services, 'cursorKeys'>,
  keyId: string,
  result: CascadeResult | undefined,
): { readonly headers: Readonly<Record<string, string>>; readonly cascade?: CascadeView } {
  if (result === undefined) return { headers: {} }
  const { revoked, examined, next, waitMs } = result
  const next_cursor = next === undefined ? null : signCursor(cursorKeys, bindingOf(keyId), JSON.stringify(next))
  return {
    headers: waitMs > 0 ? { 'retry-after': String(Math.ceil(waitMs / 1000)) } : {},
    cascade: { revoked, examined, next_cursor },
  }
}

function bindingOf(keyId: string): string {
  return JSON.stringify(['cascade', keyId])
}
