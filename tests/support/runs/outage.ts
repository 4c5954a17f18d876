import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'

/**
 * How a store that is down behaves. `blackhole`: takes the request and never replies. `refuse`: the port is closed.
 * `unavailable`: 503. `throttled`: 429 with a long Retry-After. `drip`: does the request and sends the reply byte by
 * byte. `replyLost`: does the request and cuts the connection.
 */
export type Outage = 'blackhole' | 'refuse' | 'unavailable' | 'throttled' | 'drip' | 'replyLost'

export const outages: readonly Outage[] = ['blackhole', 'refuse', 'unavailable', 'throttled', 'drip', 'replyLost']

const DRIP_MS = 250

/** The means to answer, cut or forward one request. */
interface OutageHandlers {
  readonly response: ServerResponse
  readonly cut: () => void
  readonly toStore: () => Promise<{ readonly reply: IncomingMessage; readonly content: Buffer }>
}

/** Resolves when the request is dealt with. In a black hole the connection stays open without a reply. */
export async function simulateOutage(outage: Outage, { response, cut, toStore }: OutageHandlers): Promise<void> {
  switch (outage) {
    case 'blackhole':
      return
    case 'refuse':
      return cut()
    case 'unavailable':
      response.writeHead(503).end()
      return
    case 'throttled':
      response.writeHead(429, { 'retry-after': '3600' }).end()
      return
    case 'drip':
      return drip(response, await toStore())
    case 'replyLost':
      await toStore()
      return cut()
  }
}

/** Sends the reply byte by byte, until the client gives up. */
async function drip(response: ServerResponse, { reply, content }: { reply: IncomingMessage; content: Buffer }) {
  response.writeHead(reply.statusCode ?? 502, { 'content-type': reply.headers['content-type'] ?? 'text/plain' })
  for (const byte of content) {
    if (response.destroyed) return
    response.write(Buffer.of(byte))
    await setTimeout(DRIP_MS)
  }
  response.end()
}
