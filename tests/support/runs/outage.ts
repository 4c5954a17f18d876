import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'

/**
 * How a store that is down behaves. `blackhole`: takes the request and never answers. `refuse`: nobody listens.
 * `unavailable`: 503. `throttled`: 429 with a long Retry-After. `drip`: does what was asked and sends its reply a byte at a
 * time. `replyLost`: does what was asked and cuts the connection.
 */
export type Outage = 'blackhole' | 'refuse' | 'unavailable' | 'throttled' | 'drip' | 'replyLost'

export const outages: readonly Outage[] = ['blackhole', 'refuse', 'unavailable', 'throttled', 'drip', 'replyLost']

const DRIP_MS = 250

/** What a request may come to. */
interface Met {
  readonly response: ServerResponse
  readonly cut: () => void
  readonly toStore: () => Promise<{ readonly reply: IncomingMessage; readonly content: Buffer }>
}

/** Resolves when nothing more is done about the request; in a black hole it is held until its connection goes. */
export async function meetOutage(outage: Outage, { response, cut, toStore }: Met): Promise<void> {
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

/** Until whoever waits for it gives up. */
async function drip(response: ServerResponse, { reply, content }: { reply: IncomingMessage; content: Buffer }) {
  response.writeHead(reply.statusCode ?? 502, { 'content-type': reply.headers['content-type'] ?? 'text/plain' })
  for (const byte of content) {
    if (response.destroyed) return
    response.write(Buffer.of(byte))
    await setTimeout(DRIP_MS)
  }
  response.end()
}
