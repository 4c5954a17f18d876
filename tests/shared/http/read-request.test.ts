import { HttpRequest } from '@azure/functions'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import {
  check,
  decodeUtf8,
  invalidRequest,
  parseJson,
  readBytes,
  readRequestId,
  refuseKeyInQuery,
} from '../../../shared/http/read-request.ts'

const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  new HttpRequest({
    method: 'POST',
    url: 'http://localhost/',
    headers: { 'content-type': 'application/json', ...headers },
    body: { bytes: typeof body === 'string' ? Buffer.from(body) : body },
  })
const withQuery = (query: string) => new HttpRequest({ method: 'GET', url: `http://localhost/?${query}` })
const withHeaders = (headers: Record<string, string>) =>
  new HttpRequest({ method: 'GET', url: 'http://localhost/', headers })
const code = (name: string) => expect.objectContaining({ code: name })

describe('a request id', () => {
  test.each(['12345678', 'order-42_retry', 'A'.repeat(64)])('the caller’s own id %s is taken', (id) => {
    expect(readRequestId(withHeaders({ 'X-Request-Id': id }))).toBe(id)
  })

  test.each([
    '1234567',
    'A'.repeat(65),
    'with space',
    'a,b,c,d,e',
    'line\\nbreak',
    'ünïcödé-id',
    '<script>alert(1)',
    '',
  ])('the id %j is replaced by a ULID', (id) =>
    expect(readRequestId(withHeaders({ 'x-request-id': id }))).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/),
  )

  test('each request without an id gets its own', () => {
    expect(readRequestId(withHeaders({}))).not.toBe(readRequestId(withHeaders({})))
  })
})

describe('a query string', () => {
  test.each([
    ...['key=x', 'KEY=x', 'api_key=x', 'apikey=x', 'api-key=x', 'access_token=x', 'token=x', 'secret=', 'a=1&key=x'],
    'note=permas_live_abcdefgh',
    'note=see%20permas_mgmt_abcdefgh%20please',
    'permas_test_abcdefgh=1',
  ])('with a key in it is refused: %s', (query) => {
    expect(() => refuseKeyInQuery(withQuery(query))).toThrow(code('key_in_query'))
  })

  test.each(['', 'group_by=key', 'name=permas', 'cursor=tokens', 'owner_id=key'])(
    'without one is accepted: %s',
    (query) => {
      expect(() => refuseKeyInQuery(withQuery(query))).not.toThrow()
    },
  )
})

describe('a body', () => {
  test('may have exactly the allowed bytes, and not one more', async () => {
    expect(await readBytes(post('x'.repeat(10)), 10)).toHaveLength(10)
    await expect(readBytes(post('x'.repeat(11)), 10)).rejects.toMatchObject({ code: 'body_too_large' })
    await expect(readBytes(post('€€€€'), 11)).rejects.toMatchObject({ code: 'body_too_large' })
  })

  test('is not read where its Content-Length is too large, and is measured where that is too small', async () => {
    const announced = post('x', { 'content-length': '11' })
    await expect(readBytes(announced, 10)).rejects.toMatchObject({ code: 'body_too_large' })
    expect(announced.bodyUsed).toBe(false)
    const understated = post('x'.repeat(11), { 'content-length': '1' })
    await expect(readBytes(understated, 10)).rejects.toMatchObject({ code: 'body_too_large' })
  })

  test('that is not UTF-8 is refused', () => {
    for (const bytes of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
      expect(() => decodeUtf8(Uint8Array.from(bytes))).toThrow(code('malformed_json'))
    }
    expect(decodeUtf8(Buffer.from('\ufeff{"ü":"🗝"}'))).toBe('{"ü":"🗝"}')
  })

  test('is any JSON, and an empty one is {}', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        fc.pre(!text.includes('__proto__'))
        expect(parseJson(post(text), text)).toEqual(JSON.parse(text))
      }),
    )
    expect(parseJson(post(''), '')).toEqual({})
  })

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/merge-patch+json',
  ])('of the type %s is read', (type) => expect(parseJson(post('{}', { 'content-type': type }), '{}')).toEqual({}))

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'text/html;application/json', ''])(
    'of the type %j is refused',
    (type) => {
      expect(() => parseJson(post('{}', { 'content-type': type }), '{}')).toThrow(code('unsupported_media_type'))
    },
  )

  test.each(['{', '{"a":1,}', "{'a':1}", 'undefined', '{"a":NaN}', '{}{}', '\u0000', '{"a":"\u0000"}', ' '])(
    'that is not JSON is refused: %j',
    (text) => expect(() => parseJson(post(text), text)).toThrow(code('malformed_json')),
  )

  test('may be nested 16 levels deep, and is refused beyond that, however deep', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    expect(parseJson(post(''), nested(16))).toBeInstanceOf(Array)
    const fields = (levels: number) => `${'{"a":'.repeat(levels)}0${'}'.repeat(levels)}`
    for (const levels of [17, 1000, 30_000]) {
      expect(() => parseJson(post(''), nested(levels))).toThrow(code('invalid_request'))
      expect(() => parseJson(post(''), fields(levels))).toThrow(code('invalid_request'))
    }
  })

  test.each(['{"__proto__":{}}', '{"a":[{"b":{"__proto__":1}}]}', '{"\\u005f_proto__":null}'])(
    'with a field __proto__ anywhere is refused: %s',
    (text) => expect(() => parseJson(post(''), text)).toThrow(code('invalid_request')),
  )
})

describe('a check', () => {
  const contract = z.strictObject({ 'a/b': z.array(z.strictObject({ '~c': z.string() })) })

  test('names every error at once, by an RFC 6901 pointer', () => {
    expect(check(contract, { 'a/b': [{ '~c': 'good' }, { '~c': 1, 'x/y': 0 }, {}], more: 1 }, '#').errors).toEqual([
      { pointer: '#/a~1b/1/~0c', detail: 'must be text' },
      { pointer: '#/a~1b/1/x~1y', detail: 'is not a field of this request' },
      { pointer: '#/a~1b/2/~0c', detail: 'is missing: it must be text' },
      { pointer: '#/more', detail: 'is not a field of this request' },
    ])
  })

  test('returns at most 100 errors, and truncates long names', () => {
    const wrong = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`${index}`.padEnd(5000, 'x'), 1]))
    const error = invalidRequest(check(contract, wrong, '#').errors)
    expect(error.errors).toHaveLength(100)
    expect(JSON.stringify(error.errors).length).toBeLessThan(20_000)
  })

  test('returns the value as parsed by its contract', () => {
    expect(check(z.object({ a: z.coerce.number() }), { a: '5' }, '')).toEqual({ data: { a: 5 }, errors: [] })
  })
})
