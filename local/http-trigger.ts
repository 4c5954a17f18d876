import type { IncomingMessage, ServerResponse } from 'node:http'
import { describeError } from './describe-error.ts'
import { readRequestBody } from './http-body.ts'
import { createTraceContext, parseTarget, toRpcHttpRequest } from './http-request.ts'
import { sendEmpty, sendRpcResponse } from './http-response.ts'
import type { RequestHandler } from './http-server.ts'
import type { Log } from './log.ts'
import { findRoute, type Route } from './router.ts'
import type { RunFunction } from './run-function.ts'

export type HttpTriggerOptions = {
  routes: readonly Route[]
  runFunction: RunFunction
  log: Log
  /** Answers what no function answers; `parts` is the decoded path. */
  handleOther: (request: IncomingMessage, response: ServerResponse, parts: readonly string[]) => Promise<void>
}

const HOST_HEADER = /^[\w.~-]+(?::\d+)?$|^\[[\da-f:.]+\](?::\d+)?$/i

/**
 * Answers requests by the functions with an HTTP trigger, as the Functions host does: 404 for an unknown path and for
 * a wrong method alike, 413 above 100 MiB, and 500 without a body when the function throws.
 */
export function createHttpTrigger(options: HttpTriggerOptions): RequestHandler {
  return async (request, response) => {
    try {
      await dispatch(options, request, response)
    } catch (error) {
      options.log('error', `${request.method} request failed: ${describeError(error)}`)
      if (response.headersSent) response.destroy()
      else sendEmpty(response, 500)
    }
  }
}

async function dispatch(
  options: HttpTriggerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = parseTarget(request.url ?? '/')
  if (!target || !HOST_HEADER.test(request.headers.host ?? 'localhost')) {
    sendEmpty(response, 400)
    return
  }
  const found = findRoute(options.routes, request.method ?? 'GET', target.parts)
  if (!found) {
    await options.handleOther(request, response, target.parts)
    return
  }
  const body = await readRequestBody(request)
  if (body === 'too large') {
    response.setHeader('connection', 'close')
    sendEmpty(response, 413)
    return
  }
  const { fn } = found.route
  const http = toRpcHttpRequest(request, target.query, found.params, body)
  const result = await options.runFunction(fn, {
    inputData: [{ name: fn.trigger.name, data: { http } }],
    traceContext: createTraceContext(request),
  })
  sendRpcResponse(response, result.returnValue?.http)
}
