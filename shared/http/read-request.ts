import type { HttpRequest } from '@azure/functions'
import type * as z from 'zod'
import { keyInText } from '../contracts/fields.ts'
import { defaultText, faultText } from '../contracts/wording.ts'
import { AppError, type FieldError } from '../domain/errors.ts'
import { newUlid } from '../runtime/ulid.ts'
import { toPointer } from './pointer.ts'
import { readJson } from './read-json.ts'

/** Returns the caller's `X-Request-Id` if it is 8 to 64 letters, digits, `_` and `-` and holds no key, else a ULID. */
export function readRequestId({ headers }: HttpRequest): string {
  const given = headers.get('x-request-id')
  return given !== null && /^[A-Za-z0-9_-]{8,64}$/.test(given) && !keyInText.test(given) ? given : newUlid()
}

const keyParameters = /^(?:api[-_]?key|access[-_]?token|key|token|secret)$/i

/** Throws `key_in_query` for a key in the query string, which ends up in logs, histories and Referer headers. */
export function refuseKeyInQuery(request: HttpRequest): void {
  for (const [name, value] of request.query) {
    if (keyParameters.test(name) || keyInText.test(value) || keyInText.test(name)) {
      throw new AppError(
        'key_in_query',
        'A key must not be sent in the query string. Send it as X-API-Key, or in the body where the call takes it there; and replace it, since it may have been logged.',
      )
    }
  }
}

const BODILESS_METHODS: readonly string[] = ['GET', 'HEAD']

/**
 * Throws `length_required` for a request that was sent with a body and arrived without one: the Functions host passes on
 * only bodies of a declared length. Without this check the call would run as if the caller had sent nothing.
 */
export function refuseLostBody({ method, headers, body }: HttpRequest): void {
  if (body !== null) return
  const isDeclared = Number(headers.get('content-length') ?? 0) > 0 && !BODILESS_METHODS.includes(method)
  if (!isDeclared && !headers.has('transfer-encoding')) return
  throw new AppError(
    'length_required',
    'The body did not arrive, and nothing was done. Send the body with a Content-Length, not in chunks.',
  )
}

/** Reads the body. Throws `body_too_large`. */
export async function readBytes(request: HttpRequest, maxBytes: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? 0)
  const bytes = declared > maxBytes ? undefined : new Uint8Array(await request.arrayBuffer())
  if (bytes === undefined || bytes.length > maxBytes) {
    throw new AppError('body_too_large', `The body is larger than this call takes: ${maxBytes} bytes at most.`)
  }
  return bytes
}

/** Decodes a body. Throws `malformed_json` for invalid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new AppError('malformed_json', 'The body is not valid UTF-8.', { cause })
  }
}

/** Throws `unsupported_media_type` for a compressed body: the host passes it on as it is. */
export function refuseCompression({ headers, body }: HttpRequest): void {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? ''
  if (body === null || encoding === '' || encoding === 'identity') return
  throw new AppError('unsupported_media_type', 'The body must not be compressed: send it without Content-Encoding.')
}

/** Parses a body; an empty one is `{}`. Throws `unsupported_media_type`, `malformed_json` and `invalid_request`. */
export function parseJson(request: HttpRequest, text: string): unknown {
  if (text.length === 0) return {}
  const mediaType = (request.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (mediaType !== 'application/json' && !mediaType.endsWith('+json')) {
    throw new AppError('unsupported_media_type', 'The body must be JSON: send Content-Type: application/json.')
  }
  const reading = readJson(text)
  if (reading.kind === 'value') return reading.value
  if (reading.kind === 'faults') throw invalidRequest(reading.errors)
  throw new AppError('malformed_json', 'The body is not valid JSON.', { cause: reading.cause })
}

const ERRORS_MAX = 100

/** An `invalid_request` with the first 100 errors of a request. */
export function invalidRequest(errors: readonly FieldError[]): AppError {
  return new AppError('invalid_request', 'The request does not match the contract.', {
    errors: errors.slice(0, ERRORS_MAX),
  })
}

/** Checks one part of a request against its contract. Returns all errors, throws none. */
export function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  pointerPrefix: string,
): { readonly data: z.output<Schema>; readonly errors: readonly [] } | { readonly errors: readonly FieldError[] } {
  const parsed = schema.safeParse(value, { error: defaultText, reportInput: true })
  if (parsed.success) return { data: parsed.data, errors: [] }
  const errors = parsed.error.issues.flatMap((issue) => toFieldErrors(issue, pointerPrefix))
  return { errors: [...new Map(errors.map((error) => [JSON.stringify(error), error])).values()] }
}

function toFieldErrors(issue: z.core.$ZodIssue, prefix: string): FieldError[] {
  const pointer = toPointer(prefix, issue.path)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: toPointer(prefix, [...issue.path, key]),
      detail: 'is not a field of this request',
    }))
  }
  return [{ pointer, detail: faultText(issue.message, issue.input === undefined) }]
}
