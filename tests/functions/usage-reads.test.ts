import { beforeEach, describe, expect, test } from 'vitest'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysUsage } from '../../functions/keys-usage.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usageList } from '../../functions/usage-list.ts'
import { usageReconciliation } from '../../functions/usage-reconciliation.ts'
import { usageRollUp } from '../../functions/usage-roll-up.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { type CallOptions, call } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'

let services: FakeServices
let key: HeldKey

/** One accepted use of `/orders`, one refused use of `/refunds`, counted. */
beforeEach(async () => {
  services = fakeServices()
  key = await makeKey(services, { ownerId: 'ann', scopes: ['orders:read'] })
  const validate = (json: object) => call(keysValidate, services, { json: { key: key.secret, ...json } })
  await validate({ endpoint: '/orders' })
  await validate({ endpoint: '/refunds', scopes: ['refunds:write'] })
  await services.consumer.drain()
})

const pointersOf = (body: { errors?: readonly { pointer: string }[] }) => body.errors?.map(({ pointer }) => pointer)

describe('GET /auth/keys/{token_id}/usage', () => {
  const read = (options: CallOptions = {}) =>
    call(keysUsage, services, { params: { token_id: key.key.keyId }, ...options })

  test('200 shows the counted validations by outcome, status, endpoint and hour', async () => {
    const { status, body } = await read({ query: { from: '2026-11-22', granularity: 'hour' } })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      key_id: key.key.keyId,
      provider_id: 'acme',
      from: '2026-11-22T00:00:00.000Z',
      to: '2026-11-22T17:00:00.000Z',
      totals: { total: 2, valid: 1, denied: 1 },
      by_outcome: { VALID: 1, INSUFFICIENT_SCOPE: 1 },
      by_status: { '2xx': 1, '4xx': 1 },
      by_endpoint: { '/orders': 1, '/refunds': 1 },
      last_used_at: '2026-11-22T16:00:00.000Z',
    })
    expect(body.buckets).toHaveLength(17)
    expect(body.buckets.at(-1)).toEqual({ start: '2026-11-22T16:00:00.000Z', total: 2, denied: 1 })
    expect(body.buckets[0]).toEqual({ start: '2026-11-22T00:00:00.000Z', total: 0, denied: 0 })
  })

  test('200 shows uses after the revocation: their count, and the last one’s time, address and endpoint', async () => {
    expect((await read()).body.uses_after_revocation).toBeNull()
    await call(keysRevoke, services, { params: { token_id: key.key.keyId }, json: {} })
    const use = (json: object) => call(keysValidate, services, { json: { key: key.secret, ...json } })
    await use({ endpoint: '/orders', client_ip: '192.0.2.7' })
    await services.time.advance(60_000)
    await use({ endpoint: '/refunds', client_ip: '[2001:DB8::7]:443' })
    await use({ endpoint: '/refunds', client_ip: '192.0.2.9', dry_run: true })
    await services.consumer.drain()
    const { body } = await read()
    expect(body.by_outcome).toMatchObject({ REVOKED: 2 })
    expect(body.uses_after_revocation).toEqual({
      count: 2,
      last_at: '2026-11-22T16:01:00.000Z',
      last_client_ip: '2001:db8::7',
      last_endpoint: '/refunds',
    })
  })

  test('200 stores no invalid client address, and no address of other uses', async () => {
    const use = (client_ip: string) => call(keysValidate, services, { json: { key: key.secret, client_ip } })
    await use('192.0.2.99')
    await call(keysRevoke, services, { params: { token_id: key.key.keyId }, json: {} })
    await use(key.secret.slice(0, 40))
    await services.consumer.drain()
    const { text, body } = await read()
    expect(body.uses_after_revocation).toMatchObject({ count: 1, last_client_ip: null, last_endpoint: '(none)' })
    expect(text).not.toContain('192.0.2.99')
  })

  test('400 names every invalid field of the query, and the bound of an hourly range', async () => {
    const wrong = await read({ query: { from: 'yesterday', to: '2026-13-01', granularity: 'week', color: 'red' } })
    expect(wrong.status).toBe(400)
    expect(pointersOf(wrong.body)).toEqual(['/from', '/to', '/granularity', '/color'])
    const long = await read({ query: { from: '2026-01-01', to: '2026-11-22', granularity: 'hour' } })
    expect([long.status, ...(pointersOf(long.body) ?? [])]).toEqual([400, '/granularity'])
    expect(long.body.errors[0].detail).toContain('31 days')
  })

  test('404 is the same, byte for byte, for another provider’s key and an unknown one', async () => {
    const stranger = (await makeManager(services, 'globex', ['usage:read'])).secret
    const headers = { 'x-request-id': 'the-same-one' }
    const theirs = await read({ key: stranger, headers })
    const none = await read({ key: stranger, headers, params: { token_id: key.key.keyId.replace(/.$/, 'Z') } })
    expect(theirs.status).toBe(404)
    expect(theirs.text).toBe(none.text)
  })
})

describe('GET /auth/usage', () => {
  const read = (query: Record<string, string>, options: CallOptions = {}) =>
    call(usageList, services, { query, ...options })

  test('200 shows the copied usage, in groups', async () => {
    const before = await read({ provider_id: 'acme' })
    expect(before.body).toMatchObject({ totals: { total: 0 }, groups: null, other: null })
    await usageRollUp.run(
      () => services,
      () => undefined,
    )
    const { body } = await read({ provider_id: 'acme', group_by: 'owner' })
    expect(body).toMatchObject({
      provider_id: 'acme',
      totals: { total: 2, valid: 1, denied: 1 },
      group_by: 'owner',
      groups: [{ group: 'ann', total: 2, denied: 1, last_used_at: '2026-11-22T16:00:00.000Z' }],
      other: null,
    })
    const byEndpoint = await read({ provider_id: 'acme', group_by: 'endpoint' })
    expect(byEndpoint.body.groups).toEqual([
      { group: '/orders', total: 1, denied: null, last_used_at: null },
      { group: '/refunds', total: 1, denied: null, last_used_at: null },
    ])
  })

  test('a manager of one provider need not name it, and cannot read another’s', async () => {
    const { secret } = await makeManager(services, 'acme', ['usage:read'])
    expect((await read({}, { key: secret })).body).toMatchObject({ provider_id: 'acme' })
    expect((await read({ provider_id: 'globex' }, { key: secret })).status).toBe(404)
  })

  test('400 tells an operator to name a provider', async () => {
    const { status, body } = await read({})
    expect([status, ...(pointersOf(body) ?? [])]).toEqual([400, '/provider_id'])
  })
})

describe('GET /auth/usage/reconciliation', () => {
  test('200 accounts for every use, hour by hour', async () => {
    const { body } = await call(usageReconciliation, services)
    expect(body).toMatchObject({ verdict: 'ok', boots: [], queue: { waiting: 0, poison: 0 } })
    expect(body.hours).toHaveLength(24)
    expect(body.hours.at(-1)).toMatchObject({ applied: 2, batches: { applied: 2, in_flight: 0, missing: 0 } })
    expect(body.partitions).toMatchObject({ unsettled: 0, unbalanced: [] })
  })

  test('403 for a manager of one provider, whatever its scopes', async () => {
    const { secret } = await makeManager(services, 'acme', ['usage:read'])
    expect((await call(usageReconciliation, services, { key: secret })).status).toBe(403)
  })

  test('400 for more than 48 hours', async () => {
    const { status } = await call(usageReconciliation, services, { query: { from: '2026-11-19', to: '2026-11-22' } })
    expect(status).toBe(400)
  })
})
