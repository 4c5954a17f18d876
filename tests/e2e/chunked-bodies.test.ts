import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sendRaw } from '../support/requests/raw-socket.ts'
import { type LocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'

const settings = makeTestSettings()
const KEY_ID = '01K99999999999999999999999'
const VALIDATE = 'POST /auth/keys/validate'
const BODY = '{"key":"not a key"}'
const CHUNK = `${BODY.length.toString(16)}\r\n${BODY}\r\n`
const ENDED = `Content-Length: ${BODY.length}\r\n\r\n${BODY}`

const head = (request: string) =>
  [
    `${request} HTTP/1.1`,
    'Host: localhost',
    `X-API-Key: ${settings.ADMIN_KEY}`,
    'Content-Type: application/json',
    '',
  ].join('\r\n')
const inChunks = (request: string, chunks = CHUNK) =>
  `${head(request)}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`

const hosts: (LocalHost & { baseUrl: string })[] = []

async function start(args: readonly string[]) {
  const host = await startLocalHost({ env: { ...settings }, args })
  hosts.push(host)
  return host
}

afterAll(async () => {
  for (const host of hosts) host.kill('SIGTERM')
  await Promise.all(hosts.map(({ exited }) => exited))
})

describe('a body in chunks is dropped, as the real host drops it:', () => {
  let baseUrl: string

  beforeAll(async () => {
    baseUrl = (await start([])).baseUrl
  })

  test.each([
    VALIDATE,
    'POST /auth/keys/batch/validate',
    'POST /auth/keys/generate',
    `PATCH /auth/keys/${KEY_ID}`,
    `POST /auth/keys/${KEY_ID}/revoke`,
    `POST /auth/keys/${KEY_ID}/rotate`,
    'POST /auth/keys/me/revoke',
    'PUT /auth/providers/acme',
    'POST /auth/keys/batch/usage?provider_id=acme',
  ])('%s answers 411, and changes nothing', async (request) => {
    const { statuses, text } = await sendRaw(baseUrl, inChunks(request), { replies: 1 })
    expect(statuses).toEqual([411])
    expect(text).toContain('"length_required"')
  })

  test('no provider was made', async () => {
    const { statuses } = await sendRaw(baseUrl, `${head('GET /auth/providers/acme')}\r\n`, { replies: 1 })
    expect(statuses).toEqual([404])
  })

  test('with extensions and trailers, or empty, it is 411 too, and the connection goes on', async () => {
    const odd = `13;a=b\r\n${BODY}\r\n0\r\nX-Trailer: 1\r\n\r\n`
    const requests = [
      `${head(VALIDATE)}Transfer-Encoding: chunked\r\n\r\n${odd}`,
      inChunks(VALIDATE, ''),
      head(VALIDATE) + ENDED,
    ]
    const { statuses } = await sendRaw(baseUrl, requests.join(''), { replies: 3 })
    expect(statuses).toEqual([411, 411, 200])
  })
})

test('a body in chunks arrives with --http-streams', async () => {
  const { baseUrl } = await start(['--http-streams'])
  const { statuses, text } = await sendRaw(baseUrl, inChunks(VALIDATE), { replies: 1 })
  expect([statuses, text]).toEqual([[200], expect.stringContaining('"MALFORMED"')])
})
