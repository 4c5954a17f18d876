import { expect, test } from 'vitest'
import { matchTemplate, parseTemplate } from '../../../local/http/route-template.ts'

const match = (template: string, path: string) =>
  matchTemplate(parseTemplate(template), path === '' ? [] : path.split('/'))

test.each<[template: string, path: string, params: Record<string, string> | undefined]>([
  ['', '', {}],
  ['health/ready', 'health/ready', {}],
  ['health/ready', 'HEALTH/Ready', {}],
  ['health/ready', 'health', undefined],
  ['health', 'health/ready', undefined],
  ['auth/keys/{token_id}', 'auth/keys/42', { token_id: '42' }],
  ['auth/keys/{token_id}', 'auth/keys/007', { token_id: '007' }],
  ['auth/keys/{token_id}', 'auth/keys', undefined],
  ['auth/keys/{token_id:minlength(20)}', 'auth/keys/me', undefined],
  ['auth/keys/{token_id:minlength(3)}/usage', 'auth/keys/abc/usage', { token_id: 'abc' }],
  ['{id:int:min(18):max(20)}', '19', { id: '19' }],
  ['{id:int:min(18):max(20)}', '21', undefined],
  ['{id:int?}', '', {}],
  ['{id:int?}', 'x', undefined],
  ['{id=5}', '', { id: '5' }],
  ['{id:int=5}', '6', { id: '6' }],
  ['files/{*path}', 'files/a/b/c', { path: 'a/b/c' }],
  ['files/{**path}', 'files', {}],
  ['{ssn:regex(^\\d{{3}}-\\d{{2}}$)}', '123-45', { ssn: '123-45' }],
  ['{ssn:regex(^\\d{{3}}-\\d{{2}}$)}', '1234-5', undefined],
  ['{x:regex(^(a|b)/?$):maxlength(1)}', 'a', { x: 'a' }],
  ['/leading/and/trailing/', 'leading/and/trailing', {}],
])('"%s" against "%s" gives %j', (template, path, params) => {
  expect(match(template, path)).toEqual(params)
})

test.each(['{id', 'id}', '{}', '{id}.json', 'a-{id}', '{id}/{ID}', '{*rest}/more', '{id:nosuch}', '{id:int(}'])(
  'the template "%s" is refused with its name',
  (template) => {
    expect(() => parseTemplate(template)).toThrow(/route/)
  },
)
