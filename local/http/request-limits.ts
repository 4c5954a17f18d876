import type { IncomingMessage } from 'node:http'

/** The limits of Kestrel, the server of the real host. */
const REQUEST_LINE_BYTES_MAX = 8 * 1024
const HEADERS_MAX = 100
const HEADER_BYTES_MAX = 32 * 1024
/** Beyond what Kestrel takes, so that this host answers instead of Node's parser, with Kestrel's status. */
export const PARSED_BYTES_MAX = 64 * 1024

const SEPARATORS = ': \r\n'.length

/** The status with which Kestrel refuses a request by its first line and its headers; undefined where it takes them. */
export function refusalOf({ method = '', url = '', httpVersion, rawHeaders }: IncomingMessage): number | undefined {
  if (`${method} ${url} HTTP/${httpVersion}\r\n`.length > REQUEST_LINE_BYTES_MAX) return 414
  if (rawHeaders.length / 2 > HEADERS_MAX) return 431
  const bytes = rawHeaders.reduce((sum, text) => sum + text.length, (rawHeaders.length / 2) * SEPARATORS)
  if (bytes > HEADER_BYTES_MAX) return 431
  return rawHeaders.every(isUtf8) ? undefined : 400
}

/** Node reads each byte of a header as one character. */
function isUtf8(text: string): boolean {
  if (!/[\x80-\xff]/.test(text)) return true
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}
