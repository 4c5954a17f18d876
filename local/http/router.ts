/**
 * Finds the function for a path by the rule of the Functions host: routes are tried in alphabetical order of function
 * name and the first match wins; a literal has no precedence over a parameter. Router libraries order by precedence and
 * cannot express this, and a dozen compiled templates need no tree.
 */

import { HostError } from '../errors.ts'
import type { AppFunction } from '../runtime/core.ts'
import { matchTemplate, parseTemplate, type Segment } from './route-template.ts'

export type Route = {
  fn: AppFunction
  /** Upper case. */
  methods: ReadonlySet<string>
  /** Includes the route prefix of host.json. */
  template: string
  segments: readonly Segment[]
}

const RESERVED = new Set(['admin', 'runtime'])

/** Throws HostError for a malformed route, and for a route below a path that the host reserves. */
export function compileRoutes(functions: Iterable<AppFunction>, routePrefix: string): Route[] {
  return [...functions]
    .filter((fn) => fn.trigger.type.toLowerCase() === 'httptrigger')
    .map((fn) => compileRoute(fn, routePrefix))
    .sort((a, b) => compareOrdinalIgnoreCase(a.fn.name, b.fn.name))
}

/** Returns the first route that matches the method and the decoded path, with its parameters. */
export function findRoute(
  routes: readonly Route[],
  method: string,
  parts: readonly string[],
): { route: Route; params: Record<string, string> } | undefined {
  for (const route of routes) {
    if (!route.methods.has(method)) continue
    const params = matchTemplate(route.segments, parts)
    if (params) return { route, params }
  }
  return undefined
}

function compileRoute(fn: AppFunction, routePrefix: string): Route {
  const template = [routePrefix, fn.trigger.route ?? fn.name].filter((part) => part !== '').join('/')
  const segments = parseTemplate(template)
  const first = segments[0]
  if (first?.kind === 'literal' && RESERVED.has(first.text)) {
    throw new HostError(`The route "${template}" of function "${fn.name}" is reserved for the Functions host.`)
  }
  const methods = new Set((fn.trigger.methods ?? ['GET', 'POST']).map((method) => method.toUpperCase()))
  return { fn, methods, template, segments }
}

/** Compares upper-cased UTF-16 code units, as .NET's OrdinalIgnoreCase does. */
function compareOrdinalIgnoreCase(a: string, b: string): number {
  const [upperA, upperB] = [a.toUpperCase(), b.toUpperCase()]
  if (upperA === upperB) return 0
  return upperA < upperB ? -1 : 1
}
