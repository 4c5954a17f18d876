import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../domain/errors.ts'

/**
 * A position in a listing as the caller carries it: opaque, and bound to the listing it came from. `binding` is what must
 * be the same on the next call: caller's provider and filters.
 */
export function sealCursor(key: Uint8Array, binding: string, position: string): string {
  const payload = Buffer.from(position)
  return Buffer.concat([tag(key, binding, payload), payload]).toString('base64url')
}

/** The position that a cursor was made of. Throws `invalid_cursor` for one that was changed, or belongs to another listing. */
export function openCursor(key: Uint8Array, binding: string, cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url')
  const payload = bytes.subarray(TAG_BYTES)
  const genuine =
    bytes.length > TAG_BYTES &&
    bytes.toString('base64url') === cursor &&
    timingSafeEqual(bytes.subarray(0, TAG_BYTES), tag(key, binding, payload))
  if (!genuine) {
    throw new AppError(
      'invalid_cursor',
      'The cursor is not one of this listing. Send it as it came, with the same filters.',
    )
  }
  return payload.toString()
}

const TAG_BYTES = 16

function tag(key: Uint8Array, binding: string, payload: Uint8Array): Buffer {
  return createHmac('sha256', key).update(binding).update('\0').update(payload).digest().subarray(0, TAG_BYTES)
}
