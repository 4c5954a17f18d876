import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions'
import type * as z from 'zod'
import { AppError } from '../domain/errors.ts'
import { describeFailure, invocationLog } from '../log.ts'
import type { Log } from '../ports.ts'
import { type Services, services } from '../services.ts'
import { type Arrival, answerCall, authenticate, callerId, type Nothing } from './answer-call.ts'
import { clientAddress } from './client-ip.ts'
import type { Access, Answer, EndpointSpec } from './endpoint-spec.ts'
import { publicError, toProblem } from './problem.ts'
import { refuseKeyInQuery } from './read-request.ts'
import { readRequestId } from './request-id.ts'

type Response = HttpResponseInit & { readonly status: number }

/** What the log line says of one request. */
interface Trace {
  readonly requestId: string
  readonly startedAtMs: number
  caller: string | null
  fault: AppError | null
}

const commonHeaders = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

/**
 * Declares and registers one endpoint: request id, authentication, scope, contract, idempotency, handling, problem, and
 * one log line, the same for all. Returns the declaration and `run`, which a test calls without a host.
 */
export function endpoint<
  A extends Access,
  P extends z.ZodType = Nothing,
  Q extends z.ZodType = Nothing,
  B extends z.ZodType = Nothing,
>(spec: EndpointSpec<A, P, Q, B>) {
  async function respond(request: HttpRequest, provide: () => Services, log: Log, trace: Trace): Promise<Response> {
    refuseKeyInQuery(request)
    const provideOrFail = () => provided(provide)
    const services = spec.access === 'public' ? undefined : provideOrFail()
    const clientIp = services === undefined ? null : clientAddress(request.headers, services.clientIpSource)
    const caller = services && (await authenticate(spec.access, services, { request, clientIp }))
    trace.caller = callerId(caller)
    const { requestId } = trace
    const arrival = { request, clientIp, requestId, services, provide: provideOrFail, log, caller } as Arrival<A>
    return toResponse(await answerCall(spec, arrival))
  }

  async function run(request: HttpRequest, provide: () => Services, log: Log): Promise<HttpResponseInit> {
    const trace: Trace = {
      requestId: readRequestId(request),
      startedAtMs: performance.now(),
      caller: null,
      fault: null,
    }
    const response = await respond(request, provide, log, trace).catch((error): Response => {
      trace.fault = publicError(error)
      return toProblem(trace.fault, trace.requestId)
    })
    logRequest(spec, response.status, trace, log)
    return { ...response, headers: { ...commonHeaders, 'x-request-id': trace.requestId, ...response.headers } }
  }

  app.http(spec.name, {
    methods: [spec.method],
    route: spec.route,
    authLevel: 'anonymous',
    handler: (request: HttpRequest, context: InvocationContext) => run(request, services, invocationLog(context)),
  })
  return { ...spec, run }
}

/** One line per request: no URL and no body, so nothing that a caller sent. */
function logRequest(spec: { readonly name: string; readonly method: string }, status: number, trace: Trace, log: Log) {
  const broken = status >= 500
  log(broken ? 'error' : 'info', 'request', {
    function: spec.name,
    method: spec.method,
    status,
    durationMs: Math.round((performance.now() - trace.startedAtMs) * 100) / 100,
    requestId: trace.requestId,
    caller: trace.caller,
    code: trace.fault?.code ?? null,
    ...(broken && trace.fault !== null && { cause: describeFailure(trace.fault) }),
  })
}

function provided(provide: () => Services): Services {
  try {
    return provide()
  } catch (cause) {
    throw new AppError('misconfigured', 'The service is not set up. /health/ready names the settings.', { cause })
  }
}

function toResponse({ status, headers, body }: Answer): Response {
  return {
    status: status ?? 200,
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }
}
