import { beforeEach, describe, expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usagePush } from '../../functions/usage-push.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { makeKey } from '../support/requests/callers.ts'

const json = { provider_id: 'acme', environment: 'live', name: 'App' }

let services: FakeServices

beforeEach(() => {
  services = fakeServices()
})

describe('under one Idempotency-Key', () => {
  const headers = { 'idempotency-key': 'order-42' }
  const metadata = { b: [1, { y: 1, x: 2 }], a: { d: 1, c: 2 } }
  const reordered = { a: { c: 2, d: 1 }, b: [1, { x: 2, y: 1 }] }

  test('the same fields in another order are the same request, nested too', async () => {
    const first = await call(keysGenerate, services, { json: { ...json, metadata }, headers })
    const body = JSON.stringify({ metadata: reordered, name: 'App', environment: 'live', provider_id: 'acme' }, null, 2)
    const again = await call(keysGenerate, services, { body, headers })
    expect([again.status, again.headers['idempotency-replayed'], again.body.key_id]).toEqual([
      201,
      'true',
      first.body.key_id,
    ])
  })

  test('a list in another order, and another value, are another request', async () => {
    await call(keysGenerate, services, { json: { ...json, scopes: ['a', 'b'] }, headers })
    for (const scopes of [['b', 'a'], ['a'], ['a', 'b', 'c']]) {
      const { status } = await call(keysGenerate, services, { json: { ...json, scopes }, headers })
      expect(status).toBe(409)
    }
  })

  test('verdicts, and the query of a push, are compared in the same way', async () => {
    const { secret, key } = await makeKey(services)
    await call(keysValidate, services, { json: { key: secret, cost: 1 }, headers })
    const replay = await call(keysValidate, services, { json: { cost: 1, key: secret }, headers })
    expect(replay.headers['idempotency-replayed']).toBe('true')
    const events = [{ key_id: key.keyId, count: 2 }]
    const push = (query: Readonly<Record<string, string>>, sent: unknown) =>
      call(usagePush, services, { query, json: sent, headers })
    await push({ provider_id: 'acme', batch_id: 'batch-0001' }, { events })
    const pushed = await push(
      { batch_id: 'batch-0001', provider_id: 'acme' },
      { events: [{ count: 2, key_id: key.keyId }] },
    )
    expect([pushed.status, pushed.headers['idempotency-replayed']]).toEqual([202, 'true'])
  })

  test('a batch id names the same fields in another order too', async () => {
    const { key } = await makeKey(services)
    const push = (sent: unknown) => call(usagePush, services, { query: { provider_id: 'acme' }, json: sent })
    await push({ batch_id: 'batch-0001', events: [{ key_id: key.keyId, count: 2 }] })
    expect((await push({ events: [{ count: 2, key_id: key.keyId }], batch_id: 'batch-0001' })).status).toBe(202)
    expect((await push({ events: [{ count: 3, key_id: key.keyId }], batch_id: 'batch-0001' })).status).toBe(409)
  })
})
