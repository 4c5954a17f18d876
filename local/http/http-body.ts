import type { IncomingMessage } from 'node:http'

/** The maximum of the Functions host. */
const BODY_BYTES_MAX = 100 * 1024 * 1024

/**
 * Reads the whole body; undefined when there is none. With `dropsChunked` a body in chunks is read and dropped, as the
 * real host does without HTTP streams. Returns 'too large' as soon as the declared length or the bytes
 * received exceed 100 MiB, and reads no further.
 */
export async function readRequestBody(
  request: IncomingMessage,
  { dropsChunked = false } = {},
): Promise<Buffer | 'too large' | undefined> {
  const declared = request.headers['content-length']
  if (declared === undefined && request.headers['transfer-encoding'] === undefined) return undefined
  if (Number(declared ?? 0) > BODY_BYTES_MAX) return 'too large'
  const isDropped = dropsChunked && declared === undefined
  const chunks: Buffer[] = []
  let byteCount = 0
  // Events cost a fraction of `for await` per request.
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      byteCount += chunk.byteLength
      if (byteCount > BODY_BYTES_MAX) {
        request.pause()
        resolve('too large')
      } else if (!isDropped) chunks.push(chunk)
    })
    request.on('end', () => resolve(chunks.length === 0 ? undefined : joinChunks(chunks)))
    request.on('error', reject)
  })
}

function joinChunks(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks
  return only && chunks.length === 1 ? only : Buffer.concat(chunks)
}
