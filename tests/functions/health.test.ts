import { describe, expect, test } from 'vitest'
import { health } from '../../functions/health.ts'
import { healthReady } from '../../functions/health-ready.ts'
import { ConfigError } from '../../shared/runtime/config.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'

test('GET /health 200 while the process runs, even with a wrong setting and no dependency', async () => {
  const { status, body } = await call(health, fakeServices(), {
    key: null,
    broken: new ConfigError('ADMIN_KEY is missing'),
  })
  expect([status, body]).toEqual([200, { status: 'ok' }])
})

describe('GET /health/ready', () => {
  test('200 when every dependency answers, with the instance’s state', async () => {
    const { status, body } = await call(healthReady, fakeServices(), { key: null })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      ...{ status: 'ready', version: 'unbuilt', wrong: [], settings: [], dependencies: { tables: 'ok', queue: 'ok' } },
      spool: { batches: 0, bytes: expect.any(Number), oldest_seconds: 0, pending_revocations: 0 },
    })
  })

  test('names a misspelt setting, and is ready all the same', async () => {
    const settingWarnings = ['ADMINKEY is not a setting: ADMIN_KEY is meant, perhaps']
    const { status, body } = await call(
      healthReady,
      { ...fakeServices(), settingWarnings },
      { key: null, headers: { 'x-forwarded-for': '192.0.2.1' } },
    )
    expect([status, body.status, body.warnings]).toEqual([200, 'ready', settingWarnings])
  })

  test('says that no caller has an address where CLIENT_IP_SOURCE expects a proxy and none is in front', async () => {
    const at = async (clientIpSource: FakeServices['clientIpSource'], headers = {}) =>
      (await call(healthReady, { ...fakeServices(), clientIpSource }, { key: null, headers })).body.warnings
    const warning = expect.stringMatching(/^CLIENT_IP_SOURCE is direct.*ip_restrictions.*none/)
    expect(await at({ kind: 'direct' })).toEqual([warning])
    expect(await at({ kind: 'direct' }, { 'x-forwarded-for': 'unknown' })).toEqual([warning])
    expect(await at({ kind: 'hops', count: 2 }, { 'x-forwarded-for': '192.0.2.1' })).toEqual([
      expect.stringContaining('CLIENT_IP_SOURCE is hops:2'),
    ])
    expect(await at({ kind: 'direct' }, { 'x-forwarded-for': '192.0.2.1:80' })).toEqual([])
    expect(await at({ kind: 'none' })).toEqual([])
  })

  test('503 names every wrong setting, and no value', async () => {
    const broken = new ConfigError('ADMIN_KEY is missing\nKEY_PEPPERS names one version twice')
    const { status, body } = await call(healthReady, fakeServices(), { key: null, broken })
    expect(status).toBe(503)
    expect(body).toMatchObject({
      ...{ status: 'misconfigured', wrong: ['settings'], dependencies: {} },
      settings: ['ADMIN_KEY is missing', 'KEY_PEPPERS names one version twice'],
    })
  })

  test('503 names the failing dependency; only the log has the cause', async () => {
    const depth = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.4'))
    const services = fakeServices(({ queue }) => ({ queue: { ...queue, depth } }))
    const { status, body, text, logged } = await call(healthReady, services, { key: null })
    expect([status, body.status, body.wrong]).toEqual([503, 'unavailable', ['queue']])
    expect(body.dependencies).toEqual({ tables: 'ok', queue: 'unavailable' })
    expect(text).not.toContain('10.0.0.4')
    expect(logged[0]?.fields).toEqual({ dependency: 'queue', cause: 'Error: connect ECONNREFUSED 10.0.0.4' })
  })

  test('503 where composing the services fails otherwise, without the cause', async () => {
    const broken = new TypeError('secret')
    const { status, body, text } = await call(healthReady, fakeServices(), { key: null, broken })
    expect([status, body.code]).toEqual([503, 'misconfigured'])
    expect(text).not.toContain('secret')
  })
})
