import type { HttpMethod, HttpRequest, HttpResponseInit } from '@azure/functions'
import { AppError } from '../domain/errors.ts'
import { isPreflight, preflightHeaders } from './cors.ts'
import type { Access, EndpointSpec } from './endpoint-spec.ts'
import { toProblem } from './problem.ts'

type Methods = Pick<
  // biome-ignore lint/suspicious/noExplicitAny: the contracts of the endpoint do not matter here.
  EndpointSpec<Access, any, any, any>,
  'method' | 'head' | 'wrongMethods'
>

const ALL: readonly HttpMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * The methods that a function is registered for, its own first. The host answers an unregistered method with a bare 404,
 * so one function of each route also takes the wrong ones, to refuse them.
 */
export function registeredMethods(spec: Methods): HttpMethod[] {
  if (spec.wrongMethods === 'elsewhere') return [spec.method]
  const besides = spec.wrongMethods?.besides ?? []
  return [spec.method, ...ALL.filter((method) => method !== spec.method && !besides.includes(method))]
}

/** Whether the handler of the endpoint answers this method. */
export function isServed({ method, head }: Methods, requested: string): boolean {
  return requested === method || (head === true && requested === 'HEAD')
}

/** Answers a method that the handler does not: OPTIONS, a preflight, or 405. Throws `origin_not_allowed`. */
export function answerOtherMethod(
  spec: Methods,
  request: HttpRequest,
  requestId: string,
  origins: readonly string[],
): HttpResponseInit & { readonly status: number } {
  const allow = allowedMethods(spec)
  if (request.method !== 'OPTIONS') {
    const problem = toProblem(new AppError('method_not_allowed', `This route takes ${allow}.`), requestId)
    return { ...problem, headers: { ...problem.headers, allow } }
  }
  if (!isPreflight(request)) return { status: 204, headers: { allow } }
  return { status: 204, headers: { allow, ...preflightHeaders(request, origins, allow) } }
}

function allowedMethods({ method, head, wrongMethods }: Methods): string {
  const besides = typeof wrongMethods === 'object' ? wrongMethods.besides : []
  return [method, ...(head === true ? ['HEAD'] : []), ...besides, 'OPTIONS'].join(', ')
}
