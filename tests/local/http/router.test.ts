import { expect, test } from 'vitest'
import { findRoute } from '../../../local/http/router.ts'
import { routesOf } from './routes-of.ts'

const nameOf = (routes: ReturnType<typeof routesOf>, method: string, path: string) =>
  findRoute(routes, method, path.split('/'))?.route.fn.name

test('a parameter shadows a literal when its function sorts first, in any order of registration', () => {
  const shadowed = routesOf([
    ['zz-recent', 'GET', 'items/recent'],
    ['aa-by-id', 'GET', 'items/{id}'],
  ])
  expect(nameOf(shadowed, 'GET', 'items/recent')).toBe('aa-by-id')

  const found = routesOf([
    ['zz-by-id', 'GET', 'items/{id}'],
    ['aa-recent', 'GET', 'items/recent'],
  ])
  expect(nameOf(found, 'GET', 'items/recent')).toBe('aa-recent')
})

test('names sort case-insensitively, and an underscore after the letters', () => {
  const routes = routesOf([
    ['b', 'GET', '{x}'],
    ['A_', 'GET', '{x}'],
    ['ab', 'GET', '{x}'],
  ])
  expect(routes.map(({ fn }) => fn.name)).toEqual(['ab', 'A_', 'b'])
})

test('a path that a constraint refuses falls through to the next route', () => {
  const routes = routesOf([
    ['a-get', 'GET', 'auth/keys/{token_id:minlength(20)}'],
    ['me', 'GET', 'auth/keys/me'],
  ])
  expect(nameOf(routes, 'GET', 'auth/keys/me')).toBe('me')
  expect(nameOf(routes, 'GET', 'auth/keys/01234567890123456789')).toBe('a-get')
})

test('a route matches its own methods only', () => {
  const routes = routesOf([['ping', 'GET,post', 'ping']])
  expect(nameOf(routes, 'POST', 'ping')).toBe('ping')
  expect(nameOf(routes, 'PUT', 'ping')).toBeUndefined()
  expect(nameOf(routes, 'HEAD', 'ping')).toBeUndefined()
})

test('the prefix of host.json comes before every route', () => {
  const routes = routesOf([['ping', 'GET', 'ping']], 'api')
  expect(nameOf(routes, 'GET', 'api/ping')).toBe('ping')
  expect(nameOf(routes, 'GET', 'ping')).toBeUndefined()
})

test.each(['admin', 'Admin/keys', 'runtime/webhooks/{name}'])('the route "%s" is refused as reserved', (template) => {
  expect(() => routesOf([['mine', 'GET', template]])).toThrow(/"mine" is reserved/)
  expect(routesOf([['mine', 'GET', template]], 'api')).toHaveLength(1)
})
