import type { IncomingMessage } from 'node:http'

/** What the Functions host accepts at most, in bytes. */
const BODY_BYTES_MAX = 100 * 1024 * 1024

/**
 * The whole body, undefined when there is none. 'too large' as soon as it is known to exceed 100 MiB, by its declared
 * length or by what arrived; nothing more is read then.
 */
export async function readRequestBody(request: IncomingMessage): Promise<Buffer | 'too large' | undefined> {
  const declared = request.headers['content-length']
  if (declared === undefined && request.headers['transfer-encoding'] === undefined) return undefined
  if (Number(declared ?? 0) > BODY_BYTES_MAX) return 'too large'
  const chunks: Buffer[] = []
  let byteCount = 0
  // Not `for await`, which costs several times as much per request as the events do.
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      byteCount += chunk.byteLength
      if (byteCount > BODY_BYTES_MAX) {
        request.pause()
        resolve('too large')
      } else chunks.push(chunk)
    })
    request.on('end', () => resolve(byteCount === 0 ? undefined : joinChunks(chunks)))
    request.on('error', reject)
  })
}

function joinChunks(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks
  return only && chunks.length === 1 ? only : Buffer.concat(chunks)
}
