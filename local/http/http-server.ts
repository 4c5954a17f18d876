import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HostError } from '../errors.ts'
import { sendEmpty } from './http-response.ts'
import { PARSED_BYTES_MAX } from './request-limits.ts'

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export type HttpServer = {
  port: number
  /** Every request before this call is answered with 503. */
  serve: (handler: RequestHandler) => void
  /** Stops accepting connections; resolves when the last response is sent. Cuts off half-sent requests after 1 s. */
  close: () => Promise<void>
}

const HOST = '127.0.0.1'
const IDLE_CHECK_MS = 50
const HALF_SENT_TIMEOUT_MS = 1_000
/** Kestrel's keep-alive timeout. Node's default of 5 s closes connections that clients are about to reuse. */
const KEEP_ALIVE_MS = 130_000

/** Listens on 127.0.0.1; port 0 picks any free port. Throws HostError when the port cannot be opened. */
export async function listen(port: number): Promise<HttpServer> {
  let handler: RequestListener = (_, response) => sendEmpty(response, 503)
  const inFlight = new Set<IncomingMessage>()
  const parsing = { keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: PARSED_BYTES_MAX }
  const server = createServer(parsing, (request, response) => handler(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, port)))
    server.listen(port, HOST, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    serve: (next) => {
      handler = (request, response) => {
        inFlight.add(request)
        response.once('close', () => inFlight.delete(request))
        void next(request, response)
      }
    },
    close: () => close(server, inFlight),
  }
}

async function close(server: Server, inFlight: ReadonlySet<IncomingMessage>): Promise<void> {
  const cutOffAtMs = performance.now() + HALF_SENT_TIMEOUT_MS
  // A keep-alive connection becomes idle after its response, and would otherwise keep the server open.
  const timer = setInterval(() => {
    const awaitsResponse = [...inFlight].some((request) => request.complete)
    if (awaitsResponse || performance.now() < cutOffAtMs) server.closeIdleConnections()
    else server.closeAllConnections()
  }, IDLE_CHECK_MS)
  await new Promise((resolve) => server.close(resolve))
  clearInterval(timer)
}

function explain(error: NodeJS.ErrnoException, port: number): HostError {
  if (error.code === 'EADDRINUSE') {
    return new HostError(`Port ${port} is in use. Stop what uses it, or choose another: npm start -- --port 0`)
  }
  return new HostError(`Port ${port} cannot be opened: ${error.message}`)
}
