import { expect, test } from 'vitest'
import { health } from '../../functions/health.ts'
import { healthReady } from '../../functions/health-ready.ts'
import { ConfigError } from '../../shared/config.ts'
import { call } from '../support/call.ts'
import { fakeServices } from '../support/fake-services.ts'

test('GET /health 200 while the process answers, though a setting is wrong and nothing else answers', async () => {
  const { status, body } = await call(health, fakeServices(), {
    key: null,
    broken: new ConfigError('ADMIN_KEY is missing'),
  })
  expect([status, body]).toEqual([200, { status: 'ok' }])
})

test('GET /health/ready 200 when every dependency answers', async () => {
  const { status, body } = await call(healthReady, fakeServices(), { key: null })
  expect([status, body]).toEqual([200, { status: 'ready', settings: [], dependencies: { tables: 'ok', queue: 'ok' } }])
})

test('GET /health/ready 503 names every wrong setting, and no value', async () => {
  const broken = new ConfigError('ADMIN_KEY is missing\nKEY_PEPPERS names one version twice')
  const { status, body } = await call(healthReady, fakeServices(), { key: null, broken })
  expect([status, body]).toEqual([
    503,
    {
      status: 'misconfigured',
      settings: ['ADMIN_KEY is missing', 'KEY_PEPPERS names one version twice'],
      dependencies: {},
    },
  ])
})

test('GET /health/ready 503 names the dependency that does not answer; why is in the log alone', async () => {
  const fail = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.4'))
  const services = fakeServices(({ queue }) => ({ queue: { ...queue, depth: fail } }))
  const { status, body, text, logged } = await call(healthReady, services, { key: null })
  expect([status, body.status, body.dependencies]).toEqual([503, 'unavailable', { tables: 'ok', queue: 'unavailable' }])
  expect(text).not.toContain('10.0.0.4')
  expect(logged[0]?.fields).toEqual({ dependency: 'queue', cause: 'Error: connect ECONNREFUSED 10.0.0.4' })
})

test('GET /health/ready 503 where the services cannot be composed for another reason, without that reason', async () => {
  const { status, body, text } = await call(healthReady, fakeServices(), { key: null, broken: new TypeError('secret') })
  expect([status, body.code]).toEqual([503, 'misconfigured'])
  expect(text).not.toContain('secret')
})
