import { expect, test } from 'vitest'
import { parseTarget } from '../../local/http-request.ts'

test.each<[url: string, parts: string[] | undefined]>([
  ['/', []],
  ['/auth/keys', ['auth', 'keys']],
  ['/auth/keys/', ['auth', 'keys']],
  ['/auth//keys', ['auth', '', 'keys']],
  ['/auth/keys/a%20b', ['auth', 'keys', 'a b']],
  ['/auth/keys/a%2Fb', ['auth', 'keys', 'a%2Fb']],
  ['/auth/keys/a%2fb%20', ['auth', 'keys', 'a%2fb ']],
  ['/auth/../admin/functions', ['admin', 'functions']],
  ['/auth/%2e%2E/admin', ['admin']],
  ['/auth/./keys', ['auth', 'keys']],
  ['/.well-known/x', ['.well-known', 'x']],
  ['http://other/auth/keys?x=1', ['auth', 'keys']],
  ['/bad/%', undefined],
  ['/bad/%c3%28', undefined],
  ['*', undefined],
])('the path of "%s" is read as %j', (url, parts) => {
  expect(parseTarget(url)?.parts).toEqual(parts)
})

test('the query is what follows the first question mark', () => {
  expect(parseTarget('/a?b=1?c')?.query).toBe('b=1?c')
  expect(parseTarget('/a')?.query).toBe('')
})
