import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Core } from '../runtime/core.ts'
import { readRequestBody } from './http-body.ts'
import { sendEmpty } from './http-response.ts'
import type { Route } from './router.ts'

/** Starts a function with the body of a queue message. Undefined when the function cannot be started by hand. */
type StartManually = ((input: string) => void) | undefined

export type AdminOptions = {
  core: Core
  routes: readonly Route[]
  findManualStart: (functionName: string) => StartManually
}

const MANUAL_START = /^POST admin\/functions\/([^/]+)$/i

/**
 * Serves the part of the host's own HTTP API that a developer needs: `GET /` lists the routes,
 * `GET /admin/host/status`, `GET /admin/functions`, and `POST /admin/functions/{name}` with `{ "input": … }` starts a
 * queue or timer function and answers 202. Answers 404 to anything else. Requires no key, like Core Tools.
 */
export function createAdmin(options: AdminOptions) {
  return async (request: IncomingMessage, response: ServerResponse, parts: readonly string[]): Promise<void> => {
    switch (`${request.method} ${parts.join('/').toLowerCase()}`) {
      case 'GET ':
        return sendText(response, listRoutes(options.routes))
      case 'GET admin/host/status':
        return sendJson(response, { state: 'Running' })
      case 'GET admin/functions':
        return sendJson(response, listFunctions(options.core))
      default:
        return startFunction(options, request, response, parts)
    }
  }
}

async function startFunction(
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
  parts: readonly string[],
): Promise<void> {
  const name = MANUAL_START.exec(`${request.method} ${parts.join('/')}`)?.[1]
  const start = name === undefined ? undefined : options.findManualStart(name)
  if (!start) {
    sendEmpty(response, 404)
    return
  }
  const input = readInput(await readRequestBody(request))
  if (input === undefined) {
    sendEmpty(response, 400)
    return
  }
  start(input)
  sendEmpty(response, 202)
}

/** Reads `{ "input": … }`: a string as it is, any other value as JSON, '' without a body; undefined if invalid. */
function readInput(body: Buffer | 'too large' | undefined): string | undefined {
  if (body === undefined) return ''
  try {
    const { input = '' } = JSON.parse(body.toString()) as { input?: unknown }
    return typeof input === 'string' ? input : JSON.stringify(input)
  } catch {
    return undefined
  }
}

function listFunctions({ functions }: Core) {
  return [...functions.values()].map(({ name, metadata }) => ({ name, bindings: metadata.bindings }))
}

function listRoutes(routes: readonly Route[]): string {
  return routes.map(({ methods, template, fn }) => `${[...methods].join(',')} /${template} (${fn.name})\n`).join('')
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
