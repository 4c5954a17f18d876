import type { HttpRequest } from '@azure/functions'
import { keyInText } from '../contracts/fields.ts'
import { newUlid } from '../runtime/ulid.ts'

/** The caller's `X-Request-Id` when it is 8 to 64 letters, digits, `_` and `-`, and holds no key; a ULID otherwise. */
export function readRequestId({ headers }: HttpRequest): string {
  const given = headers.get('x-request-id')
  return given !== null && /^[A-Za-z0-9_-]{8,64}$/.test(given) && !keyInText.test(given) ? given : newUlid()
}
