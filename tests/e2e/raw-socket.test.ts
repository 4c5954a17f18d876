import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RawOptions, sendRaw } from '../support/requests/raw-socket.ts'
import { type LocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'
import { seededRandom } from '../support/samples/random.ts'

const settings = makeTestSettings()
const BODY = '{"key":"not a key"}'
const VALIDATE = [
  'POST /auth/keys/validate HTTP/1.1',
  'Host: localhost',
  `X-API-Key: ${settings.ADMIN_KEY}`,
  'Content-Type: application/json',
  '',
].join('\r\n')
const CHUNKED = `${VALIDATE}Transfer-Encoding: chunked\r\n\r\n`
const CHUNK = `${BODY.length.toString(16)}\r\n${BODY}\r\n`
const KEYS = `Host: localhost\r\nX-API-Key: ${settings.ADMIN_KEY}\r\n`

let host: LocalHost & { baseUrl: string }

beforeAll(async () => {
  host = await startLocalHost({ env: { ...settings } })
})
afterAll(async () => {
  host?.kill('SIGTERM')
  await host?.exited
})

const send = (bytes: string | readonly (string | Buffer)[], options?: RawOptions) =>
  sendRaw(host.baseUrl, bytes, options)
const withLength = (length: string | number, body = BODY) => `${VALIDATE}Content-Length: ${length}\r\n\r\n${body}`
const health = (...headers: string[]) =>
  [`GET /health HTTP/1.1`, 'Host: localhost', ...headers, 'Connection: close', '', ''].join('\r\n')

/** The host still serves: the bytes sent before neither crashed nor blocked it. */
async function expectServing() {
  const { statuses } = await send(withLength(BODY.length), { replies: 1 })
  expect(statuses).toEqual([200])
}

describe('a malformed request is refused, and the connection closed:', () => {
  test.each<[what: string, status: number, bytes: string]>([
    ['no HTTP at all', 400, 'hello\r\n\r\n'],
    ['the beginning of TLS', 400, '\x16\x03\x01\x00\x6c\x01\x00\x00\x68\x03\x03'],
    ['HTTP/2', 400, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a version that there is not', 400, 'GET /health HTTP/9.9\r\nHost: x\r\n\r\n'],
    ['a method that there is not', 400, 'FOO /health HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a method in small letters', 400, 'get /health HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['no Host', 400, 'GET /health HTTP/1.1\r\n\r\n'],
    ['lines that end in LF alone', 400, 'GET /health HTTP/1.1\nHost: x\n\n'],
    ['a blank in the target', 400, 'GET /hea lth HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['NUL in the target', 400, 'GET /hea\0lth HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['bytes above 127 in the target', 400, 'GET /auth/keys/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['NUL in a header', 400, health('X-A: a\0b')],
    ['CR in a header', 400, health('X-A: a\rb')],
    ['a header over two lines', 400, health('X-A: 1', ' 2')],
    ['a blank before the colon', 400, health('X-A : 1')],
    ['a header without a colon', 400, health('XA')],
    ['a header without a name', 400, health(': 1')],
  ])('%s: %i', async (_, status, bytes) => {
    expect(await send(bytes)).toMatchObject({ statuses: [status], closed: true })
    await expectServing()
  })
})

describe('a body of ambiguous length is refused, and the connection closed:', () => {
  test.each<[what: string, bytes: string, options?: RawOptions]>([
    ['two lengths', `${VALIDATE}Content-Length: 19\r\nContent-Length: 5\r\n\r\n${BODY}`],
    ['one length twice', `${VALIDATE}Content-Length: 19\r\nContent-Length: 19\r\n\r\n${BODY}`],
    ['a length and chunks', `${VALIDATE}Content-Length: 19\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNK}0\r\n\r\n`],
    ...['-1', '+19', '1e1', '0x13', '19, 19', '', '19a', '9'.repeat(30)].map((length): [string, string] => [
      `the length "${length}"`,
      withLength(length),
    ]),
    ...['identity', 'xchunked', 'chunked, gzip', 'chunked, chunked'].map((coding): [string, string] => [
      `the coding "${coding}"`,
      `${VALIDATE}Transfer-Encoding: ${coding}\r\n\r\n${CHUNK}0\r\n\r\n`,
    ]),
    ['a chunk of no number', `${CHUNKED}zz\r\n${BODY}\r\n0\r\n\r\n`],
    ['a chunk of less than nothing', `${CHUNKED}-1\r\n${BODY}\r\n0\r\n\r\n`],
    ['a chunk of 2^68 bytes', `${CHUNKED}fffffffffffffffff\r\n${BODY}`],
    ['a chunk longer than it says', `${CHUNKED}2\r\n${BODY}\r\n0\r\n\r\n`],
    ['a body cut off', withLength(BODY.length + 1), { end: true }],
    ['chunks cut off', CHUNKED + CHUNK, { end: true }],
    ['a chunk cut off', `${CHUNKED}ff\r\n${BODY}`, { end: true }],
  ])('%s', async (_, bytes, options) => {
    expect(await send(bytes, options)).toMatchObject({ statuses: [400], closed: true })
    await expectServing()
  })

  test('more than the host accepts: 500 before the body is sent', async () => {
    expect(await send(withLength(100 * 1024 * 1024 + 1))).toMatchObject({ statuses: [500], closed: true })
    await expectServing()
  })
})

describe('the target host must be unambiguous:', () => {
  test.each<[what: string, status: number, request: string]>([
    ['two of them', 400, 'GET /health HTTP/1.1\r\nHost: a\r\nhost: b'],
    ['a name that is none', 400, 'GET /health HTTP/1.1\r\nHost: a b/c@d'],
    ['another one in the target', 400, 'GET http://other/health HTTP/1.1\r\nHost: x'],
    ['another scheme in the target', 400, 'GET https://x/health HTTP/1.1\r\nHost: x'],
    ['a target that is no URL', 400, 'GET http://[/health HTTP/1.1\r\nHost: x'],
    ['no path at all', 400, 'OPTIONS * HTTP/1.1\r\nHost: x'],
    ['the same one in the target', 200, 'GET http://X:7071/health HTTP/1.1\r\nHost: x:7071'],
    ['none in HTTP/1.0', 200, 'GET /health HTTP/1.0'],
  ])('%s: %i', async (_, status, request) => {
    const { statuses } = await send(`${request}\r\nConnection: close\r\n\r\n`)
    expect(statuses).toEqual([status])
  })
})

describe('a request that is valid HTTP is answered as usual:', () => {
  const twice = (header: string) =>
    `POST /auth/keys/validate HTTP/1.1\r\n${KEYS}Content-Type: application/json\r\n${header}`
  const ending = `\r\nContent-Length: ${BODY.length}\r\nConnection: close\r\n\r\n${BODY}`

  test.each<[what: string, status: number, code: RegExp, bytes: string]>([
    ['two credentials', 401, /unauthenticated/, twice('X-API-Key: another') + ending],
    [
      'a credential in letters outside ASCII',
      401,
      /unauthenticated/,
      `GET /auth/keys/me HTTP/1.1\r\nHost: x\r\nX-API-Key: \xc3\xa9${ending}`,
    ],
    ['two content types', 415, /unsupported_media_type/, twice('Content-Type: text/plain') + ending],
    ['two request ids', 200, /"MALFORMED"/, twice('X-Request-Id: request-1\r\nX-Request-Id: request-2') + ending],
    [
      'headers named as what every object has',
      200,
      /"MALFORMED"/,
      twice('__proto__: a\r\nconstructor: b\r\n__proto__: c') + ending,
    ],
    ['7 KB of X-Forwarded-For', 200, /"MALFORMED"/, twice(`X-Forwarded-For: ${'1.1.1.1, '.repeat(777)}`) + ending],
    [
      'a path with an escape that is none',
      400,
      /invalid_request/,
      `GET /auth/keys/${'%zz'.repeat(9)} HTTP/1.1\r\n${KEYS}Connection: close\r\n\r\n`,
    ],
    [
      'a path that is no UTF-8',
      400,
      /invalid_request/,
      `GET /auth/keys/${'%ff'.repeat(9)} HTTP/1.1\r\n${KEYS}Connection: close\r\n\r\n`,
    ],
    [
      'NUL in the path',
      400,
      /invalid_request/,
      `GET /auth/keys/${'%00'.repeat(26)} HTTP/1.1\r\n${KEYS}Connection: close\r\n\r\n`,
    ],
    [
      'slashes in a part of the path',
      400,
      /invalid_request/,
      `GET /auth/keys/${'..%2f'.repeat(9)}health HTTP/1.1\r\n${KEYS}Connection: close\r\n\r\n`,
    ],
    [
      'a query that is no UTF-8',
      400,
      /invalid_request/,
      `GET /auth/keys?provider_id=%ff&%=%zz HTTP/1.1\r\n${KEYS}Connection: close\r\n\r\n`,
    ],
    [
      'a body that is no UTF-8',
      400,
      /malformed_json/,
      `${VALIDATE}Content-Length: 5\r\nConnection: close\r\n\r\n"\xff\xfe\xff"`,
    ],
    ['NUL in the body', 400, /malformed_json/, `${VALIDATE}Content-Length: 4\r\nConnection: close\r\n\r\n{"\0"`],
    ['an upgrade that it does not know', 200, /ok/, health('Connection: Upgrade', 'Upgrade: websocket')],
    ['what it is not ready to continue with', 417, /^HTTP/, twice('Expect: 200-ok') + ending],
    ['a method that no function has', 404, /^HTTP/, `TRACE /health HTTP/1.1\r\n${KEYS}Connection: close\r\n\r\n`],
  ])('%s: %i', async (_, status, code, bytes) => {
    const { statuses, text } = await send(bytes)
    expect(statuses).toEqual([status])
    expect(text).toMatch(code)
    expect(text).not.toContain(settings.ADMIN_KEY)
  })

  test('a body that waits for 100 Continue', async () => {
    const { statuses } = await send(`${twice('Expect: 100-continue')}${ending}`)
    expect(statuses).toEqual([100, 200])
  })

  test('a request sent byte by byte', async () => {
    const { statuses } = await send([...withLength(BODY.length)], { replies: 1 })
    expect(statuses).toEqual([200])
  })

  test('50 requests at once on one connection, in their order', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => `request-${100 + index}`)
    const pipelined = ids.map((id, index) =>
      health(`X-Request-Id: ${id}`).replace('close', index < 49 ? 'keep-alive' : 'close'),
    )
    const { statuses, text } = await send(pipelined.join(''))
    expect(statuses).toEqual(ids.map(() => 200))
    expect([...text.matchAll(/x-request-id: (\S+)/gi)].map(([, id]) => id)).toEqual(ids)
  })

  test('a good request and then garbage on one connection: the first is answered, the garbage refused', async () => {
    const { statuses, closed } = await send(`${withLength(BODY.length)}GARBAGE\r\n\r\n`)
    expect([statuses.at(-1), closed]).toEqual([400, true])
    await expectServing()
  })
})

test('500 callers that hang up halfway, or send nothing, do not block other callers', async () => {
  const { hostname, port } = new URL(host.baseUrl)
  const beginnings = ['', 'GET', health().slice(0, 30), withLength(100), CHUNKED, withLength(BODY.length)]
  const random = seededRandom(7)
  const sockets = Array.from({ length: 500 }, (_, index) => {
    const socket = connect({ host: hostname, port: Number(port) })
    socket.on('error', () => undefined)
    socket.write(beginnings[index % beginnings.length] ?? '')
    if (random() < 0.5) socket.on('connect', () => socket.resetAndDestroy())
    return socket
  })
  for (let call = 0; call < 20; call++) await expectServing()
  for (const socket of sockets) socket.destroy()
})

test('200 connections of random bytes are refused one by one, without a 5xx', async () => {
  const random = seededRandom(42)
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
  for (let call = 0; call < 200; call++) {
    const good = Buffer.from(withLength(BODY.length), 'latin1')
    const place = Math.floor(random() * good.length)
    const spoilt =
      call % 2 === 0 ? bytes(200) : Buffer.concat([good.subarray(0, place), bytes(3), good.subarray(place + 3)])
    const { statuses } = await send([spoilt], { end: true })
    expect(statuses.filter((status) => status >= 500)).toEqual([])
  }
  await expectServing()
  expect(host.output()).not.toMatch(/ failed: /)
})
