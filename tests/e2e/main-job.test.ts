import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { ReadinessView } from '../../shared/contracts/health.ts'
import { KeyPage, KeyView, NewKeyView, OwnKeyView } from '../../shared/contracts/keys.ts'
import {
  KeyUsageView,
  ProviderUsageView,
  PushStatusView,
  PushView,
  ReconciliationView,
} from '../../shared/contracts/usage.ts'
import { ValidationView } from '../../shared/contracts/validate.ts'
import { gauges } from '../../shared/domain/metric-catalogue.ts'
import { type CallOptions, callApi } from '../support/requests/api-client.ts'
import { startAzurite, type TestAzurite } from '../support/runs/azurite.ts'
import { type LocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'
import { poll } from '../support/samples/poll.ts'

const settings = makeTestSettings()
const credential = settings.ADMIN_KEY
const COUNTED_WITHIN_MS = 20_000
const SEEN_EVERYWHERE_WITHIN_MS = 10_000

let azurite: TestAzurite
let first: LocalHost & { baseUrl: string }
let second: LocalHost & { baseUrl: string }

const call = (request: `${string} /${string}`, options: CallOptions = {}) =>
  callApi(first.baseUrl, request, { credential, ...options })

async function generate(fields: Readonly<Record<string, unknown>> = {}) {
  const body = { provider_id: 'acme', environment: 'live', name: 'web shop', ...fields }
  const reply = await call('POST /auth/keys/generate', { body })
  const key = reply.as(NewKeyView)
  expect(reply.status).toBe(201)
  return { keyId: key.key_id, secret: key.key ?? '' }
}

async function validate(baseUrl: string, secret: string, fields: Readonly<Record<string, unknown>> = {}) {
  const reply = await callApi(baseUrl, 'POST /auth/keys/validate', { credential, body: { key: secret, ...fields } })
  expect(reply.status).toBe(200)
  return reply.as(ValidationView)
}

const readUsage = async (keyId: string) => (await call(`GET /auth/keys/${keyId}/usage`)).as(KeyUsageView)

const usageWhenCounted = (keyId: string, total: number) =>
  poll(async () => {
    const usage = await readUsage(keyId)
    return usage.totals.total >= total && usage
  }, COUNTED_WITHIN_MS)

beforeAll(async () => {
  azurite = await startAzurite()
  const env = { ...settings, AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString }
  ;[first, second] = await Promise.all([startLocalHost({ env }), startLocalHost({ env })])
})

afterAll(async () => {
  const hosts = [first, second]
  for (const host of hosts) host?.kill('SIGTERM')
  await Promise.all(hosts.map((host) => host?.exited))
  await azurite?.stop()
})

describe('the main job, on the built app in two hosts over one store', () => {
  it('generates a key, validates it and counts each use once', async () => {
    const { keyId, secret } = await generate({ scopes: ['orders:read'] })

    const valid = await validate(first.baseUrl, secret, { scopes: ['orders:read'], endpoint: 'GET /orders' })
    expect(valid).toMatchObject({ valid: true, code: 'VALID', key_id: keyId, provider_id: 'acme' })
    const refused = await validate(second.baseUrl, secret, { scopes: ['orders:write'], endpoint: 'POST /orders' })
    expect(refused).toMatchObject({ valid: false, code: 'INSUFFICIENT_SCOPE', missing_scopes: ['orders:write'] })
    await validate(first.baseUrl, secret, { dry_run: true })

    const usage = await usageWhenCounted(keyId, 2)
    expect(usage.totals).toEqual({ total: 2, valid: 1, denied: 1 })
    expect(usage.by_outcome).toEqual({ VALID: 1, INSUFFICIENT_SCOPE: 1 })
    expect(usage.by_endpoint).toEqual({ 'GET /orders': 1, 'POST /orders': 1 })
    expect(usage.buckets.reduce((sum, bucket) => sum + bucket.total, 0)).toBe(2)
  })

  it('rotates a key: both work in the grace period, and the old key’s verdict says so', async () => {
    const old = await generate()
    const reply = await call(`POST /auth/keys/${old.keyId}/rotate`, { body: { grace_period_seconds: 600 } })
    const fresh = reply.as(NewKeyView)
    expect(fresh).toMatchObject({ rotated_from: old.keyId, status: 'active' })
    expect(fresh.key).not.toBe(old.secret)

    expect(await validate(second.baseUrl, fresh.key ?? '')).toMatchObject({ code: 'VALID', key_id: fresh.key_id })
    const inGrace = await validate(second.baseUrl, old.secret)
    expect(inGrace).toMatchObject({ code: 'VALID', key_id: old.keyId })
    expect(inGrace.warnings).toContain('IN_GRACE')
    expect((await call(`GET /auth/keys/${old.keyId}`)).as(KeyView)).toMatchObject({ replaced_by: fresh.key_id })
  })

  it('lets a holder read and revoke its own key, and nothing else', async () => {
    const { keyId, secret } = await generate()
    const holder = { credential: secret }

    expect((await call('GET /auth/keys/me', holder)).as(OwnKeyView)).toMatchObject({ key_id: keyId, status: 'active' })
    expect((await call('GET /auth/keys?provider_id=acme', holder)).status).toBe(401)
    expect((await call('POST /auth/keys/me/revoke', { ...holder, body: { reason: 'compromised' } })).status).toBe(200)
    expect((await call('GET /auth/keys/me', holder)).status).toBe(401)
    expect(await validate(first.baseUrl, secret)).toMatchObject({ code: 'REVOKED', revoked_reason: 'compromised' })
  })

  it('refuses a key on every instance within 10 s of its revocation on one', async () => {
    const { keyId, secret } = await generate()
    expect((await validate(first.baseUrl, secret)).code).toBe('VALID')
    expect((await validate(second.baseUrl, secret)).code).toBe('VALID')

    expect((await call(`POST /auth/keys/${keyId}/revoke`, { body: {} })).status).toBe(200)
    const deadlineMs = Date.now() + SEEN_EVERYWHERE_WITHIN_MS
    expect((await validate(first.baseUrl, secret)).code).toBe('REVOKED')
    await poll(async () => (await validate(second.baseUrl, secret)).code === 'REVOKED', deadlineMs - Date.now())
  })

  it('reports a use after the revocation: its time, endpoint and client address', async () => {
    const { keyId, secret } = await generate()
    await validate(second.baseUrl, secret, { client_ip: '192.0.2.1' })
    expect((await call(`POST /auth/keys/${keyId}/revoke`, { body: {} })).status).toBe(200)
    await validate(first.baseUrl, secret, { endpoint: 'GET /orders', client_ip: '192.0.2.7' })

    const usage = await usageWhenCounted(keyId, 2)
    expect(usage.by_outcome).toEqual({ VALID: 1, REVOKED: 1 })
    expect(usage.uses_after_revocation).toEqual({
      ...{ count: 1, last_at: usage.last_used_at, last_client_ip: '192.0.2.7', last_endpoint: 'GET /orders' },
    })
  })

  it('counts a pushed batch once, however often it is sent', async () => {
    const { keyId } = await generate()
    const events = [
      { key_id: keyId, endpoint: 'GET /a', status: 200, count: 40 },
      { key_id: keyId, endpoint: 'GET /a', status: 503, count: 2 },
      { key_id: keyId, outcome: 'RATE_LIMITED', status: 429 },
      { key_id: 'no such key' },
    ]
    const push = () =>
      call('POST /auth/keys/batch/usage?provider_id=acme', { body: { batch_id: 'batch-0001', events } })
    const reply = await push()
    const accepted = reply.as(PushView)
    expect(reply.status).toBe(202)
    expect(accepted).toMatchObject({ batch_id: 'batch-0001', accepted: 43 })
    expect(accepted.rejected.map(({ index, code }) => ({ index, code }))).toEqual([{ index: 3, code: 'invalid_event' }])
    expect((await push()).as(PushView)).toEqual(accepted)

    const status = await poll(async () => {
      await call('POST /admin/functions/usage-roll-up', { body: { input: '' } })
      const view = (await call(`GET /${accepted.status_url.slice(1)}`)).as(PushStatusView)
      return view.status === 'completed' && view
    }, COUNTED_WITHIN_MS)
    expect(status).toMatchObject({ accepted: 43, applied: 43, late: 0 })
    const usage = await usageWhenCounted(keyId, 43)
    expect(usage.totals).toEqual({ total: 43, valid: 42, denied: 1 })
    expect(usage.by_status).toEqual({ '2xx': 40, '4xx': 1, '5xx': 2 })
  })

  it('shows the use of a whole provider after the roll-up, grouped by key', async () => {
    const { keyId, secret } = await generate({ provider_id: 'globex' })
    for (let use = 0; use < 3; use++) await validate(first.baseUrl, secret)
    await usageWhenCounted(keyId, 3)

    expect((await call('POST /admin/functions/usage-roll-up', { body: { input: '' } })).status).toBe(202)
    const usage = await poll(async () => {
      const view = (await call('GET /auth/usage?provider_id=globex&group_by=key')).as(ProviderUsageView)
      return view.totals.total === 3 && view
    }, COUNTED_WITHIN_MS)
    expect(usage.groups).toMatchObject([{ group: keyId, total: 3, denied: 0 }])
    expect((await call('GET /auth/keys?provider_id=globex')).as(KeyPage).items).toMatchObject([
      { key_id: keyId, last_used_at: usage.last_used_at },
    ])
  })

  it('exposes its counters and gauges in the metrics, and is ready', async () => {
    const { text, headers } = await call('GET /metrics')
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(text).toMatch(/^auth_api_verdicts_total\{code="VALID",degraded="false",worker="\S+"\} [1-9]/m)
    expect(text).toMatch(/^auth_api_store_calls_total\{dependency="tables_lookup",outcome="ok",worker="\S+"\} [1-9]/m)
    const shown = new Set([...text.matchAll(/^(auth_api_\w+)\{/gm)].map(([, name]) => name))
    // No key was counted yet.
    expect(Object.keys(gauges).filter((name) => !shown.has(name))).toEqual(['auth_api_keys_by_pepper'])

    const ready = await call('GET /health/ready')
    expect(ready.status).toBe(200)
    expect(ready.as(ReadinessView)).toMatchObject({ status: 'ready', version: manifest.version, wrong: [] })
  })

  it('reconciles: every sum agrees and nothing is missing or under way', async () => {
    const found = await poll(async () => {
      const view = (await call('GET /auth/usage/reconciliation')).as(ReconciliationView)
      return view.queue.waiting === 0 && view
    }, COUNTED_WITHIN_MS)
    expect(found).toMatchObject({ verdict: 'ok', queue: { waiting: 0, poison: 0 }, partitions: { unbalanced: [] } })
    expect(found.boots).toEqual([])
    const hours = found.hours.map(({ batches, pushed }) => [batches.in_flight, batches.missing, pushed.in_flight])
    expect(hours.flat().every((count) => count === 0)).toBe(true)
    expect(found.hours.reduce((sum, hour) => sum + hour.applied + hour.pushed.counted, 0)).toBeGreaterThan(40)
  })

  it('takes the client address from the connection, not from forged headers', async () => {
    const manager = { kind: 'management', name: 'office', scopes: ['keys:read'], provider_id: 'acme' }
    const statusOf = async (rule: string, headers: Readonly<Record<string, string>> = {}) => {
      const body = { ...manager, ip_restrictions: [rule] }
      const secret = (await call('POST /auth/keys/generate', { body })).as(NewKeyView).key ?? ''
      return (await call('GET /auth/keys', { credential: secret, headers })).status
    }
    const forged = { 'x-forwarded-for': '192.0.2.7', 'client-ip': '192.0.2.7', 'x-azure-clientip': '192.0.2.7' }
    expect([await statusOf('127.0.0.0/8'), await statusOf('127.0.0.1', forged)]).toEqual([200, 200])
    expect([await statusOf('192.0.2.7'), await statusOf('192.0.2.7', forged)]).toEqual([401, 401])
  })
})
