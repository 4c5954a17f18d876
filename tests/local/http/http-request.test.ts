import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { parseTarget, toRpcHttpRequest } from '../../../local/http/http-request.ts'

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
  ['/bad/%', ['bad', '%']],
  ['/bad/%zz%41', ['bad', '%zzA']],
  ['/bad/%c3%28', ['bad', '%c3(']],
  ['/bad/%ff%C3%BC%e2%82', ['bad', '%ffü%e2%82']],
  ['/good/%F0%9F%97%9D%25', ['good', '🗝%']],
  ['*', undefined],
])('the path of "%s" is parsed as %j', (url, parts) => {
  expect(parseTarget(url)?.parts).toEqual(parts)
})

test('the query begins after the first question mark', () => {
  expect(parseTarget('/a?b=1?c')?.query).toBe('b=1?c')
  expect(parseTarget('/a')?.query).toBe('')
})

function rpcOf(url: string, rawHeaders: readonly string[]) {
  const request = { method: 'GET', url, headers: { host: 'host:81' }, rawHeaders, socket: {} }
  return toRpcHttpRequest(request as unknown as IncomingMessage, '', {}, undefined)
}

test('a header may have the name of a property that every object has', () => {
  const names = ['constructor', '__proto__', 'toString']
  const { nullableHeaders } = rpcOf(
    '/',
    [...names, ...names].flatMap((name, index) => [name, `${index}`]),
  )
  expect(Object.entries(nullableHeaders)).toEqual(
    expect.arrayContaining([
      ['constructor', { value: '0,3' }],
      ['__proto__', { value: '1,4' }],
      ['tostring', { value: '2,5' }],
    ]),
  )
})

test('the URL is that of the target, also of a target in absolute form', () => {
  expect(rpcOf('/a?b=1', []).url).toBe('http://host:81/a?b=1')
  expect(rpcOf('http://host:81/a?b=1', []).url).toBe('http://host:81/a?b=1')
})
