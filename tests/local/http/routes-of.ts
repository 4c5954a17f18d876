import { compileRoutes, type Route } from '../../../local/http/router.ts'

/** The routes of an app with one function per entry: name, methods, template. */
export function routesOf(
  entries: readonly (readonly [name: string, methods: string, template: string])[],
  routePrefix = '',
): Route[] {
  const functions = entries.map(([name, methods, route]) => {
    const trigger = {
      type: 'httpTrigger',
      direction: 'in',
      name: 'trigger',
      methods: methods.split(','),
      route,
    } as const
    return { name, metadata: { name, bindings: { trigger } }, callback: () => undefined, trigger }
  })
  return compileRoutes(functions, routePrefix)
}
