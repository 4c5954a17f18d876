import type { IncomingMessage } from 'node:http'
import { HttpRequest } from '@azure/functions'
import { parseTarget, toRpcHttpRequest } from '../../../local/http/http-request.ts'
import { compileRoutes, findRoute, type Route } from '../../../local/http/router.ts'
import type { AppFunction } from '../../../local/runtime/core.ts'
import type { Log } from '../../../shared/ports/runtime.ts'
import type { Answered } from '../contracts/reply-promises.ts'
import type { Endpoint } from '../requests/call.ts'
import type { FuzzWorld } from './fuzz-world.ts'
import type { GeneratedRequest } from './generate-request.ts'
import { fillPlaceholders } from './placeholders.ts'

/** The endpoint that a request reached, and its answer. */
export interface Sent {
  readonly endpoint: Endpoint
  readonly answered: Answered
}

/** Sends a request into a world; undefined where the host itself would answer: no route, or an invalid target. */
type Send = (world: FuzzWorld, request: GeneratedRequest) => Promise<Sent | undefined>

/** Parses and routes requests like the local host, without sockets. */
export function sender(endpoints: readonly Endpoint[]): Send {
  const byName = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint]))
  const routes = compileRoutes(endpoints.map(toFunction), '')
  return async ({ services, values }, generated) => {
    const request = requestTo(routes, { ...generated, target: fillPlaceholders(generated.target, values) }, (text) =>
      fillPlaceholders(text, values),
    )
    const endpoint = request && byName.get(request.name)
    if (request === undefined || endpoint === undefined) return undefined
    const logged: { message: string }[] = []
    const log: Log = (_, message, fields) => logged.push({ message, ...fields })
    const response = await endpoint.run(request.request, () => services, log)
    const text = String(response.body)
    const headers = Object.fromEntries(new Headers(response.headers as Record<string, string>))
    return { endpoint, answered: { status: response.status ?? 200, headers, text, body: parse(text), logged } }
  }
}

function requestTo(routes: readonly Route[], generated: GeneratedRequest, fill: (text: string) => string) {
  const target = parseTarget(generated.target)
  const found = target && findRoute(routes, generated.method, target.parts)
  if (target === undefined || found === undefined) return undefined
  const incoming = {
    method: generated.method,
    url: generated.target,
    headers: { host: 'localhost' },
    socket: { remoteAddress: '127.0.0.1' },
    rawHeaders: generated.headers.flatMap(([name, value]) => [name, fill(value)]),
  }
  // @azure/functions drops the body of a GET.
  const body = generated.method === 'GET' || !generated.body ? undefined : toBytes(fill(generated.body))
  const rpc = toRpcHttpRequest(incoming as unknown as IncomingMessage, target.query, found.params, body)
  // The constructor takes the host's message; its declared type is narrower.
  return { name: found.route.fn.name, request: new HttpRequest(rpc as ConstructorParameters<typeof HttpRequest>[0]) }
}

/** Encodes UTF-8; a lone U+DC80 to U+DCFF becomes the byte 0x80 to 0xFF. */
function toBytes(text: string): Buffer {
  const parts = text.split(/([\udc80-\udcff])(?<![\ud800-\udbff].)/)
  return Buffer.concat(
    parts.map((part, index) => (index % 2 === 0 ? Buffer.from(part) : Buffer.from([part.charCodeAt(0) - 0xdc00]))),
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function toFunction({ name, method, route }: Endpoint): AppFunction {
  const trigger: AppFunction['trigger'] = {
    type: 'httpTrigger',
    direction: 'in',
    name: 'request',
    methods: [method],
    route,
  }
  return { name, metadata: { name, bindings: { trigger } }, callback: () => undefined, trigger }
}
