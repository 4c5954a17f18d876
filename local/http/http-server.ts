import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HostError } from '../errors.ts'
import { sendEmpty } from './http-response.ts'

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export type HttpServer = {
  port: number
  /** Until this is called every request is answered with 503. */
  serve: (handler: RequestHandler) => void
  /** Accepts nothing more; resolves when the last reply has left. Who has sent half a request is given a second more. */
  close: () => Promise<void>
}

const HOST = '127.0.0.1'
const IDLE_CHECK_MS = 50
const HALF_SENT_GRACE_MS = 1_000
/** As long as Kestrel keeps an idle connection: Node's own 5 s cut off clients that are about to use theirs again. */
const KEEP_ALIVE_MS = 130_000

/** Listens on 127.0.0.1; port 0 stands for any free one. Throws HostError when the port cannot be had. */
export async function listen(port: number): Promise<HttpServer> {
  let handler: RequestListener = (_, response) => sendEmpty(response, 503)
  const underWay = new Set<IncomingMessage>()
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => handler(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, port)))
    server.listen(port, HOST, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    serve: (next) => {
      handler = (request, response) => {
        underWay.add(request)
        response.once('close', () => underWay.delete(request))
        void next(request, response)
      }
    },
    close: () => close(server, underWay),
  }
}

async function close(server: Server, underWay: ReadonlySet<IncomingMessage>): Promise<void> {
  const graceEndsAtMs = performance.now() + HALF_SENT_GRACE_MS
  // A connection that is kept alive turns idle after its reply, and would otherwise hold the server for seconds.
  const timer = setInterval(() => {
    const owesReply = [...underWay].some((request) => request.complete)
    if (owesReply || performance.now() < graceEndsAtMs) server.closeIdleConnections()
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
