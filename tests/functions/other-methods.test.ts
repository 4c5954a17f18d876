import { describe, expect, test } from 'vitest'
import { health } from '../../functions/health.ts'
import { healthReady } from '../../functions/health-ready.ts'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { ConfigError } from '../../shared/runtime/config.ts'
import { fakeServices } from '../support/memory/fake-services.ts'
import { loadEndpoints } from '../support/requests/all-functions.ts'
import { call, type Endpoint } from '../support/requests/call.ts'
import { sampleWorld, sendSample } from '../support/requests/sample-calls.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const origin = 'https://app.example.com'
const preflight = { origin, 'access-control-request-method': 'POST' }

const endpoints = await loadEndpoints()
const byRoute = Map.groupBy(endpoints, ({ route }) => route)
const named = [...byRoute].map(([route, siblings]) => [route, siblings] as const)
/** The one that answers for its route. */
const refusing = (siblings: readonly Endpoint[]) => siblings.filter(({ wrongMethods }) => wrongMethods !== 'elsewhere')

describe.each(named)('%s', (_, siblings) => {
  const served = siblings.flatMap(({ method, head }) => (head === true ? [method, 'HEAD'] : [method]))

  test('has one function that refuses what none of its functions takes', () => {
    expect(
      refusing(siblings).map(({ wrongMethods }) => (typeof wrongMethods === 'object' ? wrongMethods.besides : [])),
    ).toEqual([siblings.slice(1).map(({ method }) => method)])
  })

  const wrong = METHODS.filter((method) => !served.includes(method) && method !== 'OPTIONS')

  test.each(wrong)('405 with Allow for %s, to anyone, before anything is composed', async (method) => {
    const [endpoint] = refusing(siblings)
    for (const change of [{}, { key: null }, { key: 'wrong' }]) {
      const options = { method, body: '{', broken: new Error('composed'), ...change }
      const { status, headers, text } = await call(endpoint as Endpoint, fakeServices(), options)
      expect([status, headers.allow?.split(', ').toSorted()]).toEqual([405, [...served, 'OPTIONS'].toSorted()])
      expect(text).toEqual(method === 'HEAD' ? '' : expect.stringContaining('"method_not_allowed"'))
    }
  })

  test('OPTIONS that is no preflight: 204 with Allow', async () => {
    const [endpoint] = refusing(siblings)
    const { status, headers, text } = await call(endpoint as Endpoint, fakeServices(), { method: 'OPTIONS', key: null })
    expect([status, text]).toEqual([204, ''])
    expect(headers.allow?.split(', ').toSorted()).toEqual([...served, 'OPTIONS'].toSorted())
  })

  test('a preflight says that CORS is off', async () => {
    const [endpoint] = refusing(siblings)
    const { status, headers, body } = await call(endpoint as Endpoint, fakeServices(), {
      method: 'OPTIONS',
      key: null,
      headers: preflight,
    })
    expect([status, body.code, body.detail]).toEqual([
      403,
      'origin_not_allowed',
      expect.stringContaining('CORS_ORIGINS'),
    ])
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })
})

test.each([
  ['health', health],
  ['health-ready', healthReady],
] as const)('HEAD of %s answers like GET, without a body', async (_, endpoint) => {
  const broken = new ConfigError('ADMIN_KEY is missing')
  for (const change of [{}, { broken }]) {
    const get = await call(endpoint, fakeServices(), { key: null, ...change })
    const head = await call(endpoint, fakeServices(), { key: null, method: 'HEAD', ...change })
    expect([head.status, head.text, head.headers['content-type']]).toEqual([
      get.status,
      '',
      get.headers['content-type'],
    ])
  }
})

describe('with CORS_ORIGINS', () => {
  const services = () => ({ ...fakeServices(), corsOrigins: [origin] })

  test('a preflight of a listed origin is answered with the methods and headers that a call needs, and no credentials', async () => {
    const { status, headers } = await call(keysGenerate, services(), {
      method: 'OPTIONS',
      key: null,
      headers: preflight,
    })
    expect(status).toBe(204)
    expect(headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': expect.stringContaining('POST'),
      'access-control-max-age': '600',
      vary: 'Origin',
    })
    for (const name of [
      'Authorization',
      'X-API-Key',
      'Content-Type',
      'Idempotency-Key',
      'X-Request-Id',
      'Cache-Control',
    ]) {
      expect(headers['access-control-allow-headers']).toContain(name)
    }
    expect(headers['access-control-allow-credentials']).toBeUndefined()
  })

  test('a preflight of any other origin is refused', async () => {
    for (const other of [
      'https://app.example.com.evil.net',
      'http://app.example.com',
      'null',
      'https://APP.example.com',
    ]) {
      const headers = { ...preflight, origin: other }
      const reply = await call(keysGenerate, services(), { method: 'OPTIONS', key: null, headers })
      expect([other, reply.status, reply.body.code]).toEqual([other, 403, 'origin_not_allowed'])
      expect(reply.headers['access-control-allow-origin']).toBeUndefined()
    }
  })

  test('every answer to a listed origin lets its page read it, refusals too', async () => {
    const world = await sampleWorld()
    for (const endpoint of endpoints) {
      for (const change of [{}, { query: { surprise: '1' } }, { method: 'DELETE' }]) {
        const allowing = { ...world, services: { ...world.services, corsOrigins: [origin] } }
        const { headers } = await sendSample(allowing, endpoint, { ...change, headers: { origin } })
        expect([endpoint.name, headers['access-control-allow-origin'], headers.vary]).toEqual([
          endpoint.name,
          origin,
          'Origin',
        ])
        expect(headers['access-control-expose-headers']).toContain('RateLimit')
      }
    }
  })

  test('an answer to another origin, and to none, has no such header', async () => {
    for (const headers of [{}, { origin: 'https://evil.example' }]) {
      const reply = await call(keysValidate, services(), { json: { key: 'x' }, headers })
      expect([reply.status, reply.headers['access-control-allow-origin'], reply.headers.vary]).toEqual([
        200,
        undefined,
        'Origin',
      ])
    }
  })

  test('a wrong setting is reported to an origin as to anyone', async () => {
    const { status } = await call(healthReady, services(), {
      key: null,
      headers: { origin },
      broken: new ConfigError('x'),
    })
    expect(status).toBe(503)
  })
})
