import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { loadEndpoints } from '../support/requests/all-functions.ts'
import type { CallOptions, Endpoint } from '../support/requests/call.ts'
import { type SampleWorld, sampleCalls, sampleWorld, sendSample } from '../support/requests/sample-calls.ts'

const endpoints = (await loadEndpoints()).filter(({ body, rawBody }) => body !== undefined || rawBody === true)

let world: SampleWorld

beforeEach(async () => {
  world = await sampleWorld()
})

const send = (endpoint: Endpoint, change: CallOptions) => sendSample(world, endpoint, change)

test('every endpoint that changes or validates something takes a body', async () => {
  const names = (await loadEndpoints()).filter(({ method }) => method !== 'GET').map(({ name }) => name)
  expect(endpoints.map(({ name }) => name)).toEqual(names)
})

describe.each(endpoints.map((endpoint) => [endpoint.name, endpoint] as const))('the body of %s', (_, endpoint) => {
  const tooLarge = (endpoint.maxBodyBytes ?? 64 * 1024) + 1

  test('400 malformed_json for a body that is not JSON', async () => {
    for (const body of ['{', 'null,', '{"a":}', '\u0000', '{"name":"a\u0000b"}']) {
      expect((await send(endpoint, { body })).body.code).toBe('malformed_json')
    }
  })

  test('400 malformed_json for a body that is not UTF-8', async () => {
    const { status, body } = await send(endpoint, { body: Buffer.from([0x22, 0xff, 0xfe, 0x22]) })
    expect([status, body.code]).toEqual([400, 'malformed_json'])
  })

  test('400 invalid_request names an unknown field', async () => {
    const json = { ...Object(sampleCalls[endpoint.name]?.(world.held).json), surprise: 1 }
    const { status, body } = await send(endpoint, { json })
    expect([status, body.code]).toEqual([400, 'invalid_request'])
    expect(body.errors).toEqual([{ pointer: '#/surprise', detail: 'is not a field of this request' }])
  })

  test('400 for JSON that is not an object', async () => {
    for (const body of ['null', '1', '"text"', 'true', '[]']) {
      expect((await send(endpoint, { body })).body.code).toBe('invalid_request')
    }
  })

  test('400 for no body, or an empty object, unless the path alone is the instruction', async () => {
    for (const change of [{ json: undefined }, { body: '' }, { json: {} }]) {
      const { status } = await send(endpoint, change)
      expect([endpoint.name, status]).toEqual([endpoint.name, endpoint.name.endsWith('revoke') ? 200 : 400])
    }
  })

  test('413 body_too_large for one byte above the limit', async () => {
    const { status, body } = await send(endpoint, { body: 'x'.repeat(tooLarge) })
    expect([status, body.code]).toEqual([413, 'body_too_large'])
  })

  test('415 unsupported_media_type for a body of another type', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      const { status, body } = await send(endpoint, { headers: { 'content-type': type } })
      expect([status, body.code]).toEqual([415, 'unsupported_media_type'])
    }
  })

  test('400 for a deeply nested body, or a field __proto__', async () => {
    const deep = (levels: number) => `${'{"metadata":'.repeat(levels)}[]${'}'.repeat(levels)}`
    for (const body of [deep(20), deep(4000), '['.repeat(30_000), '{"__proto__":{"kind":"management"}}']) {
      expect((await send(endpoint, { body })).status).toBe(400)
    }
    expect((await send(endpoint, { body: '{"metadata":{"__proto__":{}}}' })).body.errors).toMatchObject([
      { detail: expect.stringContaining('__proto__') },
    ])
  })

  test('never 5xx for any JSON', async () => {
    const json = Object(sampleCalls[endpoint.name]?.(world.held).json)
    const anyField = fc.constantFrom(...Object.keys(json), 'metadata', 'scopes', 'expires_at', 'ip_restrictions', 'key')
    const anyValue = fc.oneof(
      fc.jsonValue(),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(1e308, -1, '', [], {}, null),
    )
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.tuple(anyField, anyValue)), async (drawn) => {
        const body = typeof drawn === 'string' ? drawn : JSON.stringify({ ...json, [drawn[0]]: drawn[1] })
        expect((await send(endpoint, { body })).status).toBeLessThan(500)
      }),
      { numRuns: 60 },
    )
  })

  test('400 for an invalid Idempotency-Key', async () => {
    if (endpoint.idempotent === undefined) return
    for (const key of ['', 'x'.repeat(256), 'ü']) {
      const { status, body } = await send(endpoint, { headers: { 'idempotency-key': key } })
      expect([status, body.errors]).toEqual([
        400,
        [{ pointer: 'Idempotency-Key', detail: 'must be 1 to 255 printable ASCII characters' }],
      ])
    }
  })
})
