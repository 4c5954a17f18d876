import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions'
import type * as z from 'zod'
import type { Services } from '../app/services.ts'
import { services } from '../app/worker.ts'
import { AppError } from '../domain/errors.ts'
import type { Meter } from '../ports/meter.ts'
import type { Log } from '../ports/runtime.ts'
import { describeFailure, invocationLog } from '../runtime/log.ts'
import { inTurnOf } from '../runtime/turns.ts'
import { takeCallerLimit } from './caller-limit.ts'
import { clientAddress } from './client-address.ts'
import { corsHeaders } from './cors.ts'
import type { Access, Answer, EndpointSpec } from './endpoint-spec.ts'
import { type Arrival, authenticate, callerId, type EmptyObject, handleCall, turnOf } from './handle-call.ts'
import { answerOtherMethod, isServed, registeredMethods } from './other-methods.ts'
import { publicError, toProblem } from './problem.ts'
import { readRequestId, refuseKeyInQuery, refuseLostBody } from './read-request.ts'

type Response = HttpResponseInit & { readonly status: number }

/** What the log line and the metrics of one request report. */
interface Trace {
  readonly requestId: string
  readonly startedAtMs: number
  /** null until the services are composed, and for a public call, which composes none. */
  meter: Meter | null
  caller: string | null
  /** undefined where no services were composed. */
  corsOrigins: readonly string[] | undefined
  error: AppError | null
  logFields: Answer['logFields']
  /** The caller's remaining calls; empty where no limit was checked. */
  limitHeaders: Readonly<Record<string, string>>
}

const commonHeaders = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

/**
 * Declares and registers one endpoint. All share the same steps: request id, authentication, scope, the caller's work in
 * flight, the caller's limit, contract, idempotency, handling, problem, and one log line. Returns the declaration and `run`, which tests call
 * without a host.
 */
export function endpoint<
  A extends Access,
  P extends z.ZodType = EmptyObject,
  Q extends z.ZodType = EmptyObject,
  B extends z.ZodType = EmptyObject,
>(spec: EndpointSpec<A, P, Q, B>) {
  async function handle(arrival: Arrival<A>, trace: Trace): Promise<Response> {
    const { services } = arrival
    if (services !== undefined && spec.unlimited !== true) await applyCallerLimit(services, spec.name, trace)
    const answer = await handleCall(spec, arrival)
    trace.logFields = answer.logFields
    return toResponse(answer)
  }

  async function respond(request: HttpRequest, provide: () => Services, log: Log, trace: Trace): Promise<Response> {
    const compose = () => composeServices(provide)
    const services = spec.access === 'public' ? undefined : await checked(compose())
    trace.meter = services?.metrics.meter ?? null
    trace.corsOrigins = services?.corsOrigins
    refuseLostBody(request)
    refuseKeyInQuery(request)
    const clientIp = services === undefined ? null : clientAddress(request.headers, services.clientIpSource)
    const caller =
      services &&
      (await inTurnOf(`address:${clientIp}`, () => authenticate(spec.access, services, { request, clientIp })))
    trace.caller = callerId(caller)
    const inFlight = spec.urgent === true ? undefined : services?.inFlight.enter(trace.caller)
    const weigh = (units: number) => inFlight?.weigh(units)
    const { requestId } = trace
    const arrival = { request, clientIp, requestId, weigh, services, provide: compose, log, caller } as Arrival<A>
    try {
      return await inTurnOf(turnOf(caller), () => handle(arrival, trace))
    } finally {
      inFlight?.leave()
    }
  }

  async function answer(request: HttpRequest, provide: () => Services, log: Log, trace: Trace): Promise<Response> {
    if (isServed(spec, request.method)) return respond(request, provide, log, trace)
    return answerOtherMethod(spec, request, trace.requestId, corsOrigins(request, provide))
  }

  async function run(request: HttpRequest, provide: () => Services, log: Log): Promise<HttpResponseInit> {
    const trace: Trace = {
      requestId: readRequestId(request),
      startedAtMs: performance.now(),
      ...{ meter: null, caller: null, corsOrigins: undefined, error: null, logFields: undefined, limitHeaders: {} },
    }
    const response = await answer(request, provide, log, trace).catch((error): Response => {
      trace.error = publicError(error)
      return toProblem(trace.error, trace.requestId)
    })
    const durationMs = performance.now() - trace.startedAtMs
    const called = { name: spec.name, method: request.method }
    logRequest(called, { status: response.status, durationMs }, trace, log)
    measureRequest(called, { status: response.status, durationMs }, trace)
    const cors = corsHeaders(request, trace.corsOrigins ?? corsOrigins(request, provide))
    const headers = {
      ...{ ...commonHeaders, ...cors, ...trace.limitHeaders, 'x-request-id': trace.requestId },
      ...response.headers,
    }
    return request.method === 'HEAD' ? { ...response, headers, body: undefined } : { ...response, headers }
  }

  app.http(spec.name, {
    methods: registeredMethods(spec),
    route: spec.route,
    authLevel: 'anonymous',
    handler: (request: HttpRequest, context: InvocationContext) => run(request, services, invocationLog(context)),
  })
  return { ...spec, run }
}

async function applyCallerLimit(services: Services, functionName: string, trace: Trace): Promise<void> {
  const { headers, refusal } = await takeCallerLimit(services, trace.caller ?? 'anonymous', functionName)
  trace.limitHeaders = headers
  if (refusal !== undefined) throw refusal
}

interface Outcome {
  readonly status: number
  readonly durationMs: number
}

interface CalledFunction {
  readonly name: string
  readonly method: string
}

/** Writes one line per request. It has no URL and no body: nothing that a caller sent. */
function logRequest({ name, method }: CalledFunction, { status, durationMs }: Outcome, trace: Trace, log: Log): void {
  const failed = status >= 500
  log(failed ? 'error' : 'info', 'request', {
    function: name,
    method,
    status,
    durationMs: Math.round(durationMs * 100) / 100,
    requestId: trace.requestId,
    caller: trace.caller,
    code: trace.error?.code ?? null,
    ...trace.logFields,
    ...(failed && trace.error !== null && { cause: describeFailure(trace.error) }),
  })
}

function measureRequest(
  { name, method }: CalledFunction,
  { status, durationMs }: Outcome,
  { meter, error }: Trace,
): void {
  if (meter === null) return
  meter.count('auth_api_http_requests_total', { function: name, method, status: String(status) })
  meter.observe('auth_api_http_request_duration_seconds', { function: name }, durationMs / 1000)
  if (error?.code === 'unauthenticated' || error?.code === 'forbidden') {
    meter.count('auth_api_authentication_failures_total', { reason: error.code })
  }
}

/** The origins that may call; none where the settings are wrong. Composes nothing for a caller that names no origin. */
function corsOrigins({ headers }: HttpRequest, provide: () => Services): readonly string[] {
  if (!headers.has('origin')) return []
  try {
    return provide().corsOrigins
  } catch {
    return []
  }
}

function composeServices(provide: () => Services): Services {
  try {
    return provide()
  } catch (cause) {
    throw new AppError('misconfigured', 'The service is not set up. /health/ready names the settings.', { cause })
  }
}

/** Throws `misconfigured` where live keys need a pepper that is missing. Waits only for the first check of it. */
async function checked(services: Services): Promise<Services> {
  if ((await services.pepperCheck.fault()) === undefined) return services
  throw new AppError('misconfigured', 'The service is not set up. /health/ready names the settings.')
}

function toResponse({ status, headers, body }: Answer): Response {
  return {
    status: status ?? 200,
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }
}
