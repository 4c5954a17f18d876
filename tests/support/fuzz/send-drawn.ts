import type { IncomingMessage } from 'node:http'
import { HttpRequest } from '@azure/functions'
import { parseTarget, toRpcHttpRequest } from '../../../local/http/http-request.ts'
import { compileRoutes, findRoute, type Route } from '../../../local/http/router.ts'
import type { AppFunction } from '../../../local/runtime/core.ts'
import type { Log } from '../../../shared/ports/runtime.ts'
import type { Answered } from '../contracts/reply-promises.ts'
import type { Endpoint } from '../requests/call.ts'
import type { DrawnRequest } from './draw-request.ts'
import type { FuzzWorld } from './fuzz-world.ts'
import { castInto } from './stand-ins.ts'

/** Which endpoint a request reached, and what came back. */
export interface Sent {
  readonly endpoint: Endpoint
  readonly answered: Answered
}

/** Sends a drawn request into a world; undefined where the host itself would answer: no route, or no such target. */
type Send = (world: FuzzWorld, request: DrawnRequest) => Promise<Sent | undefined>

/** By the local host's own reading and routing of a request, without its sockets. */
export function sender(endpoints: readonly Endpoint[]): Send {
  const byName = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint]))
  const routes = compileRoutes(endpoints.map(toFunction), '')
  return async ({ services, cast }, drawn) => {
    const request = requestTo(routes, { ...drawn, target: castInto(drawn.target, cast) }, (text) =>
      castInto(text, cast),
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

function requestTo(routes: readonly Route[], drawn: DrawnRequest, cast: (text: string) => string) {
  const target = parseTarget(drawn.target)
  const found = target && findRoute(routes, drawn.method, target.parts)
  if (target === undefined || found === undefined) return undefined
  const incoming = {
    method: drawn.method,
    url: drawn.target,
    headers: { host: 'localhost' },
    socket: { remoteAddress: '127.0.0.1' },
    rawHeaders: drawn.headers.flatMap(([name, value]) => [name, cast(value)]),
  }
  // The body of a GET is dropped by @azure/functions before anything of ours sees it.
  const body = drawn.method === 'GET' || !drawn.body ? undefined : toBytes(cast(drawn.body))
  const rpc = toRpcHttpRequest(incoming as unknown as IncomingMessage, target.query, found.params, body)
  // The constructor takes what the host sends; its declaration tells less.
  return { name: found.route.fn.name, request: new HttpRequest(rpc as ConstructorParameters<typeof HttpRequest>[0]) }
}

/** UTF-8, but U+DC80 to U+DCFF alone are the bytes 0x80 to 0xFF. */
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
