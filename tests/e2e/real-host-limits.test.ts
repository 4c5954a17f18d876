import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sendRaw } from '../support/requests/raw-socket.ts'
import { type LocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'

let host: LocalHost & { baseUrl: string }

beforeAll(async () => {
  host = await startLocalHost({ env: { ...makeTestSettings() } })
})
afterAll(async () => {
  host?.kill('SIGTERM')
  await host?.exited
})

const requestTo = (start: string, ...headers: string[]) =>
  [`${start} HTTP/1.1`, 'Host: localhost', ...headers, 'Connection: close', '', ''].join('\r\n')
const health = (...headers: string[]) => requestTo('GET /health', ...headers)
const many = (count: number) => Array.from({ length: count }, (_, index) => `a${index}: 1`)
const withoutBody = /^HTTP(?:(?!\r\n\r\n).)*\r\n\r\n$/s

describe('as measured at the real host,', () => {
  test.each<[what: string, status: number, text: RegExp, bytes: string]>([
    ['a header of 20,000 bytes', 200, /"ok"/, health(`X-A: ${'a'.repeat(20_000)}`)],
    ['headers of 33,000 bytes', 431, withoutBody, health(`X-A: ${'a'.repeat(33_000)}`)],
    ['headers of 70,000 bytes', 431, withoutBody, health(`X-A: ${'a'.repeat(70_000)}`)],
    ['100 headers', 200, /"ok"/, health(...many(98))],
    ['101 headers', 431, withoutBody, health(...many(99))],
    ['a target of 8,000 bytes', 400, /invalid_request/, requestTo(`GET /health?${'a'.repeat(8000)}`)],
    ['a target of 9,000 bytes', 414, withoutBody, requestTo(`GET /health?${'a'.repeat(9000)}`)],
    ['a target of 20,000 bytes', 414, withoutBody, requestTo(`GET /health?${'a'.repeat(20_000)}`)],
    ['a header in bytes that are no UTF-8', 400, withoutBody, health('X-API-Key: \xe9')],
    ['HEAD', 200, withoutBody, requestTo('HEAD /health')],
    ['HEAD of the readiness', 200, withoutBody, requestTo('HEAD /health/ready')],
    ['a wrong method', 405, /allow: POST, OPTIONS/i, requestTo('GET /auth/keys/generate')],
    ['a route that does not exist', 404, withoutBody, requestTo('GET /auth/nothing')],
  ])('%s: %i', async (_, status, text, bytes) => {
    const reply = await sendRaw(host.baseUrl, bytes)
    expect([reply.statuses, reply.closed]).toEqual([[status], true])
    expect(reply.text).toMatch(text)
  })
})
