import type { IncomingMessage, ServerResponse } from 'node:http'
import { describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { RunFunction } from '../runtime/run-function.ts'
import { readRequestBody } from './http-body.ts'
import { createTraceContext, parseTarget, type Target, toRpcHttpRequest } from './http-request.ts'
import { sendEmpty, sendRpcResponse } from './http-response.ts'
import type { RequestHandler } from './http-server.ts'
import { refusalOf } from './request-limits.ts'
import { findRoute, type Route } from './router.ts'

export type HttpTriggerOptions = {
  routes: readonly Route[]
  runFunction: RunFunction
  log: Log
  /** Passes on bodies in chunks, which the real host drops unless HTTP streams are on. */
  httpStreams: boolean
  /** Handles requests that match no route; `parts` is the decoded path. */
  handleUnmatched: (request: IncomingMessage, response: ServerResponse, parts: readonly string[]) => Promise<void>
}

const HOST_HEADER = /^[\w.~-]+(?::\d+)?$|^\[[\da-f:.]+\](?::\d+)?$/i

/**
 * Routes requests to the functions with an HTTP trigger, as the Functions host does: 404 for an unknown path or method,
 * and 500 without a body above 100 MiB and when the function throws.
 */
export function createHttpTrigger(options: HttpTriggerOptions): RequestHandler {
  return async (request, response) => {
    const refusal = refusalOf(request)
    if (refusal !== undefined) {
      response.setHeader('connection', 'close')
      sendEmpty(response, refusal)
      return
    }
    const target = readTarget(request)
    if (target) await serve(options, request, response, target)
    else sendEmpty(response, 400)
  }
}

async function serve(
  options: HttpTriggerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
): Promise<void> {
  const found = findRoute(options.routes, request.method ?? 'GET', target.parts)
  try {
    if (found) await answer(options, request, response, { ...found, query: target.query })
    else await options.handleUnmatched(request, response, target.parts)
  } catch (error) {
    if (isAborted(request)) return
    options.log('error', `${found?.route.fn.name ?? 'The host'} failed: ${describeError(error)}`)
    fail(response)
  }
}

/** A client that aborted its request awaits no response, and no function failed. */
function isAborted(request: IncomingMessage): boolean {
  return request.destroyed && !request.complete
}

function fail(response: ServerResponse): void {
  if (response.headersSent) response.destroy()
  else sendEmpty(response, 500)
}

/** Returns undefined for a malformed target and for an ambiguous host, both of which Kestrel answers with 400. */
function readTarget({ url = '/', headers: { host = 'localhost' }, rawHeaders }: IncomingMessage): Target | undefined {
  const isUnambiguous =
    HOST_HEADER.test(host) && !namesTwoHosts(rawHeaders) && (url.startsWith('/') || isOnHost(url, host))
  return isUnambiguous ? parseTarget(url) : undefined
}

function namesTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count > 1
}

function isOnHost(url: string, host: string): boolean {
  const target = URL.parse(url)
  return target?.protocol === 'http:' && target.host === URL.parse(`http://${host}`)?.host
}

async function answer(
  { runFunction, httpStreams }: HttpTriggerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  { route, params, query }: { route: Route; params: Record<string, string>; query: string },
): Promise<void> {
  const body = await readRequestBody(request, { dropsChunked: !httpStreams })
  if (body === 'too large') {
    response.setHeader('connection', 'close')
    sendEmpty(response, 500)
    return
  }
  const result = await runFunction(route.fn, {
    inputData: [{ name: route.fn.trigger.name, data: { http: toRpcHttpRequest(request, query, params, body) } }],
    traceContext: createTraceContext(request),
  })
  sendRpcResponse(response, result.returnValue?.http)
}
