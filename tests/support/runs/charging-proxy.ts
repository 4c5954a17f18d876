import { Agent, createServer, type IncomingMessage, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ChargingProxy {
  readonly port: number
  /** Requests that were served, and requests that were throttled. */
  readonly seen: { readonly served: number; readonly throttled: number; readonly units: number }
  close(): Promise<void>
}

const KIB = 1024
const READ_UNITS_PER_KIB = 1
const QUERY_UNITS = 3
const WRITE_UNITS_PER_KIB = 5.5
/** Cosmos DB serves a request while the second's units last, and throttles for the rest of a debt. */
const RETRY_AFTER_MS_MIN = 5

/**
 * A proxy before the tables of an Azurite that charges request units as Cosmos DB documents them: 1 for a point read of
 * 1 KiB, about 5 for a write of 1 KiB, by size. Beyond `perSecond` it answers 429 with `x-ms-retry-after-ms`. Replies
 * carry their charge.
 */
export async function startChargingProxy(targetPort: number, perSecond: number): Promise<ChargingProxy> {
  const agent = new Agent({ keepAlive: true })
  const seen = { served: 0, throttled: 0, units: 0 }
  let balance = perSecond
  let atMs = performance.now()

  /** ms until the debt is paid; 0 where a request is served. */
  function throttledMs(): number {
    const nowMs = performance.now()
    balance = Math.min(perSecond, balance + ((nowMs - atMs) / 1000) * perSecond)
    atMs = nowMs
    return balance > 0 ? 0 : Math.max(RETRY_AFTER_MS_MIN, Math.ceil((-balance / perSecond) * 1000))
  }

  const server = createServer(async (request, response) => {
    const body = await readAll(request)
    const waitMs = throttledMs()
    if (waitMs > 0) {
      seen.throttled++
      const headers = { 'content-type': 'application/json', 'x-ms-retry-after-ms': String(waitMs) }
      return void response.writeHead(429, headers).end('{"odata.error":{"code":"TooManyRequests"}}')
    }
    // The charge of a write is known before its reply: concurrent requests see the balance after it.
    const written = chargeOfWrite(request, body)
    balance -= written
    const reply = await forward(request, body, { agent, targetPort })
    const content = await readAll(reply)
    const read = request.method === 'GET' ? chargeOfRead(request, content) : 0
    balance -= read
    seen.served++
    seen.units += written + read
    const headers = [...reply.rawHeaders, 'x-ms-request-charge', (written + read).toFixed(2)]
    response.writeHead(reply.statusCode ?? 502, headers).end(content)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      agent.destroy()
    },
  }
}

function chargeOfWrite({ method }: IncomingMessage, body: Buffer): number {
  return method === 'GET' ? 0 : WRITE_UNITS_PER_KIB * Math.max(1, body.length / KIB)
}

function chargeOfRead({ url = '' }: IncomingMessage, content: Buffer): number {
  const base = url.includes('PartitionKey=') ? 0 : QUERY_UNITS
  return base + READ_UNITS_PER_KIB * Math.max(1, content.length / KIB)
}

function forward(
  { method, url, headers }: IncomingMessage,
  body: Buffer,
  { agent, targetPort }: { readonly agent: Agent; readonly targetPort: number },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const onward = send({ host: '127.0.0.1', port: targetPort, method, path: url, headers, agent }, resolve)
    onward.on('error', reject)
    onward.end(body)
  })
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
