import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../domain/errors.ts'

/**
 * Returns an opaque cursor of a position in a listing, signed with the first key. `binding` is what the next call must repeat: the provider
 * and the filters.
 */
export function signCursor(keys: readonly Uint8Array[], binding: string, position: string): string {
  const payload = Buffer.from(position)
  const [key] = keys
  if (key === undefined) throw new RangeError('signCursor needs a key')
  return Buffer.concat([mac(key, binding, payload), payload]).toString('base64url')
}

/**
 * Returns the position of a cursor, signed with any of the keys. Throws `invalid_cursor` where it was altered, or belongs
 * to another listing.
 */
export function verifyCursor(keys: readonly Uint8Array[], binding: string, cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url')
  const payload = bytes.subarray(MAC_BYTES)
  const authentic =
    bytes.length > MAC_BYTES &&
    bytes.toString('base64url') === cursor &&
    keys.some((key) => timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(key, binding, payload)))
  if (!authentic) {
    throw new AppError(
      'invalid_cursor',
      'The cursor is not one of this listing. Send it as it came, with the same filters.',
    )
  }
  return payload.toString()
}

const MAC_BYTES = 16

function mac(key: Uint8Array, binding: string, payload: Uint8Array): Buffer {
  return createHmac('sha256', key).update(binding).update('\0').update(payload).digest().subarray(0, MAC_BYTES)
}
