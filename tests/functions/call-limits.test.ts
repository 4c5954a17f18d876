import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { keysGet } from '../../functions/keys-get.ts'
import { keysList } from '../../functions/keys-list.ts'
import { keysMe } from '../../functions/keys-me.ts'
import { generateSecret } from '../../shared/domain/keys/key-format.ts'
import { failureLimits } from '../../shared/operations/limits/failure-limits.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { rest } from '../support/memory/manual-time.ts'
import { loadEndpoints } from '../support/requests/all-functions.ts'
import { type CallOptions, call, type Endpoint } from '../support/requests/call.ts'
import { makeKey, makeManager } from '../support/requests/callers.ts'
import { sampleWorld, sendSample } from '../support/requests/sample-calls.ts'

const limited = (limit: number, services = fakeServices()): FakeServices => ({
  ...services,
  managementLimit: { limit, windowSeconds: 60, strategy: 'sliding_window' },
})

const endpoints = await loadEndpoints()
const unlimited = ['keys-batch-validate', 'keys-validate', 'usage-push']
const isLimited = ({ name, access }: Endpoint) => access !== 'public' && !unlimited.includes(name)
const list: CallOptions = { query: { provider_id: 'acme' } }

describe('the limit per caller and endpoint', () => {
  test.each(endpoints.filter(isLimited).map((endpoint) => [endpoint.name, endpoint] as const))(
    'limits %s: 429 rate_limited, with the remainder in every answer',
    async (_, endpoint) => {
      const world = await sampleWorld()
      const services = limited(1, world.services)
      const first = await sendSample({ ...world, services }, endpoint, {})
      expect(first.status).toBeLessThan(300)
      expect(first.headers['ratelimit-policy']).toBe('"calls";q=1;w=60')
      expect(first.headers.ratelimit).toMatch(/^"calls";r=0;t=\d+$/)
      const second = await sendSample({ ...world, services }, endpoint, {})
      expect([second.status, second.body.code]).toEqual([429, 'rate_limited'])
      expect(second.body).toMatchObject({
        type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
        'violated-policies': ['calls'],
      })
      expect(second.headers.ratelimit).toMatch(/^"calls";r=0;t=\d+$/)
      expect(Number(second.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    },
  )

  test.each(endpoints.filter((endpoint) => !isLimited(endpoint)).map((endpoint) => [endpoint.name, endpoint] as const))(
    'exempts %s',
    async (_, endpoint) => {
      const world = await sampleWorld()
      const services = limited(1, world.services)
      for (let times = 0; times < 3; times++) {
        const { status, headers } = await sendSample({ ...world, services }, endpoint, {})
        expect(status).toBeLessThan(300)
        expect(headers).not.toHaveProperty('ratelimit')
      }
    },
  )

  test('is counted per caller and per endpoint', async () => {
    const services = limited(1)
    const one = await makeManager(services, 'acme', ['keys:read'])
    const other = await makeManager(services, 'acme', ['keys:read'])
    const { key } = await makeKey(services)
    expect((await call(keysList, services, { ...list, key: one.secret })).status).toBe(200)
    expect((await call(keysList, services, { ...list, key: one.secret })).status).toBe(429)
    expect((await call(keysList, services, { ...list, key: other.secret })).status).toBe(200)
    expect((await call(keysGet, services, { params: { token_id: key.keyId }, key: one.secret })).status).toBe(200)
  })

  test('comes after authentication and before the contract is checked', async () => {
    const services = limited(1)
    const { secret } = await makeManager(services, 'acme', ['keys:write'])
    expect((await call(keysList, services, { query: { surprise: '1' } })).status).toBe(400)
    expect((await call(keysList, services, { query: { surprise: '1' } })).status).toBe(429)
    for (let times = 0; times < 3; times++) expect((await call(keysList, services, { key: secret })).status).toBe(403)
  })

  test('ends with its window', async () => {
    const services = limited(1)
    expect((await call(keysList, services, list)).status).toBe(200)
    const { status, headers } = await call(keysList, services, list)
    expect(status).toBe(429)
    await services.time.advance(Number(headers['retry-after']) * 1000)
    expect((await call(keysList, services, list)).status).toBe(200)
  })

  test('uses fixed windows where configured', async () => {
    const services = fakeServices()
    const fixed = { ...services, managementLimit: { limit: 5, windowSeconds: 10, strategy: 'fixed_window' as const } }
    await services.time.advance(4000)
    expect((await call(keysList, fixed, list)).headers.ratelimit).toBe('"calls";r=4;t=6')
  })
})

describe('wrong credentials from one address', () => {
  const from = (address: string) => ({ 'x-forwarded-for': address })
  const bounded = (): FakeServices => {
    const services = fakeServices()
    const { limiter, digests, clock, log } = services
    const { scheduler } = services.time
    const budgets = { perCaller: 1000, perAddress: 3 }
    return {
      ...services,
      failures: failureLimits({ limiter, hashIp: digests.ofAddress, clock, scheduler, log }, budgets),
    }
  }
  const exhaust = async (services: FakeServices, address: string) => {
    for (let times = 0; times < 4; times++) {
      await call(keysMe, services, { key: 'wrong', headers: from(address) })
      await rest()
    }
  }

  test('are 401 until the failure budget is exhausted, and then 429 too_many_failures', async () => {
    const services = bounded()
    const statuses = []
    for (let times = 0; times < 6; times++) {
      statuses.push((await call(keysMe, services, { key: 'wrong', headers: from('192.0.2.1') })).status)
      await rest()
    }
    expect(statuses).toEqual([401, 401, 401, 401, 429, 429])
    const { body, headers } = await call(keysMe, services, { key: null, headers: from('192.0.2.1') })
    expect(body).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#abnormal-usage-detected',
      code: 'too_many_failures',
      'violated-policies': ['client_ip'],
    })
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect((await call(keysMe, services, { key: 'wrong', headers: from('192.0.2.2') })).status).toBe(401)
  })

  test('do not lock out callers: a key that is new here is looked up within a second', async () => {
    const services = bounded()
    const { secret: cached } = await makeManager(services, 'acme', ['keys:read'])
    const uncached = await Promise.all(Array.from({ length: 11 }, () => makeManager(services, 'acme', ['keys:read'])))
    await call(keysList, services, { key: cached })
    await exhaust(services, '192.0.2.1')
    await services.time.advance(20_000)
    const headers = from('192.0.2.1')
    expect((await call(keysList, services, { key: cached, headers })).status).toBe(200)
    expect((await call(keysList, services, { ...list, headers })).status).toBe(200)
    const calls = Promise.all(uncached.map(({ secret }) => call(keysList, services, { key: secret, headers })))
    await services.time.advance(1000)
    expect((await calls).map(({ status }) => status)).toEqual(uncached.map(() => 200))
  })

  test('are refused without a lookup where more than a second of lookups waits already', async () => {
    const services = bounded()
    await exhaust(services, '192.0.2.1')
    const headers = from('192.0.2.1')
    const unknown = () => call(keysMe, services, { key: generateSecret('live', randomBytes), headers })
    const calls = Promise.all(Array.from({ length: 20 }, unknown))
    await services.time.advance(1000)
    const statuses = (await calls).map(({ status }) => status)
    expect(statuses).toEqual([...Array(11).fill(401), ...Array(9).fill(429)])
  })

  test('leave the failure budget after a minute', async () => {
    const services = bounded()
    await exhaust(services, '192.0.2.1')
    await services.time.advance(70_000)
    expect((await call(keysMe, services, { key: 'wrong', headers: from('192.0.2.1') })).status).toBe(401)
  })

  test('are not limited where no address is known', async () => {
    const services = bounded()
    for (let times = 0; times < 10; times++) expect((await call(keysMe, services, { key: 'wrong' })).status).toBe(401)
  })
})
