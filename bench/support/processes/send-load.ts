import { connect, type Socket } from 'node:net'
import { json } from 'node:stream/consumers'
import { COUNTED_SHARE, type LoadJob, type LoadReport } from '../load.ts'

// Sends the load described on standard input, and prints the report. Uses bare sockets: `node:http` as a client costs
// as much per request as the measured server.

const HEAD_END = '\r\n\r\n'

const job = (await json(process.stdin)) as LoadJob
const { hostname, port, host, pathname, search } = new URL(job.url)
const requests = job.bodies.map(toBytes)
const latencies: number[] = []
const statuses: Record<string, number> = {}
let next = 0
let broken = 0
let counting = false
let done = false

const sockets = Array.from({ length: job.connections }, open)
await after(job.durationMs * (1 - COUNTED_SHARE))
counting = true
const startedAtMs = performance.now()
await after(job.durationMs * COUNTED_SHARE)
const seconds = (performance.now() - startedAtMs) / 1000
done = true
for (const socket of sockets) socket.destroy()
process.stdout.write(JSON.stringify(report(seconds)))
process.exit(0)

function toBytes(body: string): Buffer {
  const headers = Object.entries({ host, ...job.headers, 'content-length': Buffer.byteLength(body) })
  const head = headers.map(([name, value]) => `${name}: ${value}`)
  return Buffer.from([`${job.method} ${pathname}${search} HTTP/1.1`, ...head, '', body].join('\r\n'))
}

/** Keeps one request under way on a connection. Reconnects when the connection breaks. */
function open(_: unknown, index: number): Socket {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  let received = ''
  let sentAtMs = 0
  const send = () => {
    sentAtMs = performance.now()
    socket.write(requests[next++ % requests.length] ?? '')
  }
  socket.setEncoding('latin1')
  socket.on('connect', send)
  socket.on('data', (chunk: string) => {
    received += chunk
    const status = statusOfWhole(received)
    if (status === undefined) return
    received = ''
    if (counting) {
      latencies.push(performance.now() - sentAtMs)
      statuses[status] = (statuses[status] ?? 0) + 1
    }
    send()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    if (done) return
    broken++
    sockets[index] = open(_, index)
  })
  return socket
}

/** The status of a complete reply; undefined while the reply is incomplete. */
function statusOfWhole(received: string): string | undefined {
  const headEnd = received.indexOf(HEAD_END)
  if (headEnd === -1) return undefined
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(received.slice(0, headEnd))?.[1] ?? 0)
  return received.length >= headEnd + HEAD_END.length + length ? received.slice(9, 12) : undefined
}

function report(seconds: number): LoadReport {
  const sorted = Float64Array.from(latencies).sort()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return {
    replies: sorted.length,
    perSecond: sorted.length / seconds,
    statuses,
    broken,
    latencyMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
  }
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}
