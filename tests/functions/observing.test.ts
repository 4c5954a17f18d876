import { beforeEach, describe, expect, test } from 'vitest'
import { health } from '../../functions/health.ts'
import { keysBatchValidate } from '../../functions/keys-batch-validate.ts'
import { keysGet } from '../../functions/keys-get.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysRotate } from '../../functions/keys-rotate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { metrics } from '../../functions/metrics.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'
import { readMetric } from '../support/requests/read-metric.ts'

let services: FakeServices
let held: HeldKey

beforeEach(async () => {
  services = fakeServices()
  held = await makeKey(services, { scopes: ['orders:read'] })
})

const samples = (name: string, ...labels: readonly string[]) => readMetric(services.metrics, name, ...labels)

describe('GET /metrics', () => {
  test('shows requests by function, method and status, and their duration', async () => {
    await call(keysGet, services, { params: { token_id: held.key.keyId } })
    await call(keysGet, services, { params: { token_id: '01K99999999999999999999999' } })
    await call(keysGet, services, { key: 'wrong', params: { token_id: held.key.keyId } })
    await call(keysGet, services, { params: { token_id: held.key.keyId }, query: { api_key: held.secret } })
    const { text } = await call(metrics, services)
    for (const status of [200, 400, 401, 404]) {
      expect(text).toContain(
        `auth_api_http_requests_total{function="keys-get",method="GET",status="${status}",worker="tests"} 1\n`,
      )
    }
    expect(text).toContain('auth_api_http_request_duration_seconds_count{function="keys-get",worker="tests"} 4\n')
    expect(text).toContain('auth_api_authentication_failures_total{reason="unauthenticated",worker="tests"} 1\n')
  })

  test('shows verdicts by code, a batch’s included', async () => {
    await call(keysValidate, services, { json: { key: held.secret } })
    const requests = [{ key: held.secret }, { key: held.secret, scopes: ['orders:write'] }, { key: 'none' }]
    await call(keysBatchValidate, services, { json: { requests } })
    expect(await samples('auth_api_verdicts_total', 'code="VALID"', 'degraded="false"')).toEqual([2])
    expect(await samples('auth_api_verdicts_total', 'code="INSUFFICIENT_SCOPE"')).toEqual([1])
    expect(await samples('auth_api_verdicts_total', 'code="MALFORMED"')).toEqual([1])
  })

  test('answers while a queue is down, without its depth; the log has the cause', async () => {
    const depth = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.4'))
    services = fakeServices(({ queue }) => ({ queue: { ...queue, depth } }))
    const { status, text, logged } = await call(metrics, services)
    expect(status).toBe(200)
    expect(text).not.toContain('auth_api_queue_messages')
    expect(logged[0]?.fields).toEqual({
      gauge: 'auth_api_queue_messages',
      cause: 'Error: connect ECONNREFUSED 10.0.0.4',
    })
  })

  test('shows the worker’s resource usage', async () => {
    await samples('auth_api_event_loop_busy_ratio')
    for (const endMs = performance.now() + 5; performance.now() < endMs; ) JSON.parse('[1]')
    const [busy = 0] = await samples('auth_api_event_loop_busy_ratio')
    expect(busy).toBeGreaterThan(0)
    expect(busy).toBeLessThanOrEqual(1)
    const [bytes = 0] = await samples('auth_api_resident_memory_bytes')
    expect(bytes).toBeGreaterThan(10_000_000)
  })

  test('shows nothing that a caller sent, and no key, id or address', async () => {
    const { secret, key } = await makeManager(services, 'acme', ['keys:validate'])
    const json = { key: held.secret, endpoint: '/orders', client_ip: '192.0.2.7' }
    await call(keysValidate, services, { key: secret, json, headers: { 'x-request-id': 'my-request-42' } })
    const { text } = await call(metrics, services)
    for (const sent of [held.secret, held.key.keyId, secret, key.keyId, 'acme', '/orders', '192.0.2.7', 'my-request']) {
      expect(text).not.toContain(sent)
    }
  })
})

describe('the log line of a request', () => {
  const lineOf = async (...args: Parameters<typeof call>) => {
    const { logged } = await call(...args)
    return logged.find(({ message }) => message === 'request')
  }

  test('has the function, the caller and the outcome', async () => {
    const line = await lineOf(keysGet, services, {
      params: { token_id: '01K99999999999999999999999' },
      headers: { 'x-request-id': 'my-request-42' },
    })
    expect(line).toEqual({
      level: 'info',
      message: 'request',
      fields: {
        ...{ function: 'keys-get', method: 'GET', status: 404, durationMs: expect.any(Number) },
        ...{ requestId: 'my-request-42', caller: 'admin', code: 'key_not_found' },
      },
    })
  })

  test('of validate has the verdict, the key and the entry’s age, but nothing of the request', async () => {
    const json = { key: held.secret, endpoint: '/orders', client_ip: '192.0.2.7' }
    const line = await lineOf(keysValidate, services, { json })
    expect(line?.fields).toMatchObject({
      ...{ verdict: 'VALID', keyId: held.key.keyId, providerId: 'acme' },
      ...{ source: 'store', cacheAgeMs: 0, degraded: false },
    })
    expect(JSON.stringify(line)).not.toMatch(/orders|192\.0\.2\.7/)
    expect((await lineOf(keysValidate, services, { json }))?.fields).toMatchObject({ source: 'memory' })
    expect((await lineOf(keysValidate, services, { json: { key: 'none' } }))?.fields).toMatchObject({
      verdict: 'MALFORMED',
    })
  })

  test('of a change names the key: the log shows who changed what', async () => {
    const params = { token_id: held.key.keyId }
    const known = { caller: 'admin', providerId: 'acme' }
    const rotated = await lineOf(keysRotate, services, { params, json: { grace_period_seconds: 60 } })
    expect(rotated?.fields).toMatchObject({ ...known, keyId: expect.any(String), rotatedFrom: held.key.keyId })
    const patched = await lineOf(keysPatch, services, { params, json: { name: 'New' } })
    expect(patched?.fields).toMatchObject({ ...known, keyId: held.key.keyId })
    const revoked = await lineOf(keysRevoke, services, { params, json: {} })
    expect(revoked?.fields).toMatchObject({ ...known, keyId: held.key.keyId })
  })

  test('of a batch has the number of each verdict', async () => {
    const requests = [{ key: held.secret }, { key: held.secret }, { key: 'none' }]
    const line = await lineOf(keysBatchValidate, services, { json: { requests } })
    expect(line?.fields).toMatchObject({ validations: 3, verdicts: 'VALID=2 MALFORMED=1', degraded: false })
  })

  test('is written for a public endpoint, though nothing is composed', async () => {
    const line = await lineOf(health, services, { key: null, broken: new Error('no settings') })
    expect(line?.fields).toMatchObject({ function: 'health', status: 200, caller: 'anonymous' })
  })
})
