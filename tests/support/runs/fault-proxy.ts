import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { seededRandom } from '../samples/random.ts'
import { type Outage, simulateOutage } from './outage.ts'

/** The chance of each fault, 0 to 1. A request meets at most one fault, and possibly a delay as well. */
export interface FaultRates {
  /** The connection is cut before the store has seen the request. */
  readonly cutBefore: number
  /** The connection is cut after the store has done the request: the reply is lost. */
  readonly cutAfter: number
  /** 503; the store does not see the request. */
  readonly unavailable: number
  /** The request is forwarded 50 to 450 ms late. */
  readonly delay: number
}

type FaultCounts = Record<keyof FaultRates, number>

export interface FaultProxy {
  readonly port: number
  readonly faults: Readonly<FaultCounts>
  /** Requests that reached the store, by name. */
  readonly requests: ReadonlyMap<string, number>
  setRates(rates: FaultRates): void
  /** Once resolved, every request meets this outage. null ends it and cuts the connections still open. */
  setOutage(outage: Outage | null): Promise<void>
  /** Requests that met an outage, since the last reset. */
  broken(): number
  resetCounts(): void
  close(): Promise<void>
}

export interface FaultProxyOptions {
  readonly targetPort: number
  /** Names a request for the counts. */
  readonly nameOf: (method: string, url: string) => string
  readonly rates?: FaultRates
  readonly seed?: number
}

type Fault = Exclude<keyof FaultRates, 'delay'> | undefined

export const noFaults: FaultRates = { cutBefore: 0, cutAfter: 0, unavailable: 0, delay: 0 }

/**
 * A proxy before one port of 127.0.0.1 that counts requests and injects faults. The same seed picks the same faults for
 * the same order of requests.
 */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { targetPort, nameOf } = options
  const random = seededRandom(options.seed ?? 1)
  const agent = new Agent({ keepAlive: true })
  const faults: FaultCounts = { ...noFaults }
  const requests = new Map<string, number>()
  let rates = options.rates ?? noFaults
  let outage: Outage | null = null
  let broken = 0

  async function toStore(request: IncomingMessage, body: Buffer) {
    if (random() < rates.delay) {
      faults.delay++
      await setTimeout(50 + random() * 400)
    }
    const name = nameOf(request.method ?? '', request.url ?? '')
    requests.set(name, (requests.get(name) ?? 0) + 1)
    const reply = await forward(request, body, { agent, targetPort })
    return { reply, content: await readAll(reply) }
  }

  async function applyOutage(kind: Outage, request: IncomingMessage, response: ServerResponse): Promise<void> {
    broken++
    const body = await readAll(request)
    return simulateOutage(kind, { response, cut: () => cut(request), toStore: () => toStore(request, body) })
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = pickFault(rates, random())
    if (fault !== undefined) faults[fault]++
    const body = await readAll(request)
    if (fault === 'cutBefore') return cut(request)
    if (fault === 'unavailable') return void response.writeHead(503).end()
    const { reply, content } = await toStore(request, body)
    if (fault === 'cutAfter') return cut(request)
    response.writeHead(reply.statusCode ?? 502, reply.rawHeaders).end(content)
  }

  const server = createServer((request, response) => {
    const handled = outage === null ? handle(request, response) : applyOutage(outage, request, response)
    handled.catch(() => cut(request))
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    port,
    faults,
    requests,
    setRates: (next) => {
      rates = next
    },
    setOutage: async (next) => {
      // A keep-alive connection would outlive the closed port, and a held request would never end.
      server.closeAllConnections()
      if (outage !== 'refuse' && next === 'refuse') await close(server)
      if (outage === 'refuse' && next !== 'refuse') await listen(port)
      outage = next
    },
    broken: () => broken,
    resetCounts: () => {
      broken = 0
      Object.assign(faults, noFaults)
      requests.clear()
    },
    close: async () => {
      if (server.listening) await close(server)
      agent.destroy()
    },
  }
}

function pickFault({ cutBefore, cutAfter, unavailable }: FaultRates, draw: number): Fault {
  if (draw < cutBefore) return 'cutBefore'
  if (draw < cutBefore + cutAfter) return 'cutAfter'
  return draw < cutBefore + cutAfter + unavailable ? 'unavailable' : undefined
}

function forward(
  { method, url, headers }: IncomingMessage,
  body: Buffer,
  { agent, targetPort }: { agent: Agent; targetPort: number },
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

function cut(request: IncomingMessage): void {
  request.socket.destroy()
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
