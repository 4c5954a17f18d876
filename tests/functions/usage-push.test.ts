import { beforeEach, describe, expect, test } from 'vitest'
import { keysUsage } from '../../functions/keys-usage.ts'
import { usagePush } from '../../functions/usage-push.ts'
import { usagePushStatus } from '../../functions/usage-push-status.ts'
import { rollUpUsage } from '../../shared/operations/usage/roll-up-usage.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { type CallOptions, call } from '../support/requests/call.ts'
import { makeKey, makeManager } from '../support/requests/callers.ts'

let services: FakeServices
let keyId: string
let manager: string

beforeEach(async () => {
  services = fakeServices()
  keyId = (await makeKey(services)).key.keyId
  manager = (await makeManager(services, 'acme', ['usage:read', 'usage:write'])).secret
})

const push = (options: CallOptions) => call(usagePush, services, { key: manager, ...options })
const lines = (...events: readonly (object | string)[]): CallOptions => ({
  body: events.map((event) => (typeof event === 'string' ? event : JSON.stringify(event))).join('\n'),
  headers: { 'content-type': 'application/x-ndjson' },
})
const statusOf = (batchId: string, options: CallOptions = {}) =>
  call(usagePushStatus, services, { key: manager, params: { batch_id: batchId }, ...options })

async function usesCounted(): Promise<number> {
  await services.consumer.drain()
  const { body } = await call(keysUsage, services, { params: { token_id: keyId } })
  return body.totals.total
}

describe('POST /auth/keys/batch/usage', () => {
  test('202 for an array, an object and NDJSON, with the status URL', async () => {
    const event = {
      key_id: keyId,
      at: '2026-11-22T10:00:00Z',
      outcome: 'RATE_LIMITED',
      endpoint: '/a',
      status: 429,
      count: 2,
    }
    const replies = [
      await push({ json: [event] }),
      await push({ json: { batch_id: 'orders-1', events: [event] } }),
      await push({ ...lines(event, '', event), query: { batch_id: 'orders-2' } }),
    ]
    expect(replies.map(({ status }) => status)).toEqual([202, 202, 202])
    expect(replies.map(({ body }) => body.accepted)).toEqual([2, 2, 4])
    expect(replies[1]?.body).toEqual({
      batch_id: 'orders-1',
      status_url: '/auth/keys/batch/usage/orders-1',
      accepted: 2,
      duplicate: 0,
      rejected: [],
    })
    expect(replies[1]?.headers.location).toBe('/auth/keys/batch/usage/orders-1')
    expect(await usesCounted()).toBe(8)
  })

  test('202 lists each invalid event with its index and reason, and counts the valid ones', async () => {
    const reply = await push(
      lines(
        { key_id: keyId },
        '{"key_id":',
        { key_id: 'short' },
        { key_id: keyId, color: 'red' },
        { key_id: keyId, status: 99 },
        { key_id: keyId, at: '2026-01-01T00:00:00Z' },
        { key_id: '01KZZZZZZZZZZZZZZZZZZZZZZZ' },
        [],
        { key_id: keyId, at: '2026-11-22T16:06:00Z' },
      ),
    )
    expect(reply.body.accepted).toBe(1)
    expect(
      reply.body.rejected.map((one: { index: number; pointer: string; code: string }) => [
        one.index,
        one.pointer,
        one.code,
      ]),
    ).toEqual([
      [1, '#', 'malformed_json'],
      [2, '#/key_id', 'invalid_event'],
      [3, '#/color', 'invalid_event'],
      [4, '#/status', 'invalid_event'],
      [5, '#/at', 'too_old'],
      [6, '#/key_id', 'key_not_found'],
      [7, '#', 'invalid_event'],
      [8, '#/at', 'in_the_future'],
    ])
    expect(await usesCounted()).toBe(1)
  })

  test('202 counts a retried batch once, under its id or the same Idempotency-Key', async () => {
    const event = { key_id: keyId, id: 'e-1' }
    const byId = { json: { batch_id: 'orders-1', events: [event, event] } }
    const [first, second] = [await push(byId), await push(byId)]
    expect(first.body).toMatchObject({ accepted: 1, duplicate: 1 })
    expect(second.text).toBe(first.text)
    const byKey = { json: [{ ...event, id: 'e-2' }], headers: { 'idempotency-key': 'k-1' } }
    const [third, fourth] = [await push(byKey), await push(byKey)]
    expect(fourth.text).toBe(third.text)
    expect(await usesCounted()).toBe(2)
  })

  test('202 counts an event with an id once, also when another batch pushes it', async () => {
    const event = { key_id: keyId, id: 'order-17', count: 2 }
    const first = await push({ json: { batch_id: 'orders-1', events: [event] } })
    const second = await push({ json: { batch_id: 'orders-2', events: [event, { ...event, id: 'order-18' }] } })
    expect([first.body.accepted, first.body.duplicate]).toEqual([2, 0])
    expect([second.body.accepted, second.body.duplicate]).toEqual([2, 2])
    expect(await usesCounted()).toBe(4)
  })

  test('409 for other events under a used batch_id', async () => {
    await push({ json: { batch_id: 'orders-1', events: [{ key_id: keyId }] } })
    const reply = await push({ json: { batch_id: 'orders-1', events: [{ key_id: keyId, count: 2 }] } })
    expect([reply.status, reply.body.code]).toEqual([409, 'batch_id_reused'])
    expect(await usesCounted()).toBe(1)
  })

  test('400 for a batch that is invalid as a whole', async () => {
    const event = { key_id: keyId }
    const wrong: CallOptions[] = [
      { json: [] },
      { json: {} },
      { json: { batch_id: 'short', events: [event] } },
      { json: { events: [event], color: 'red' } },
      { json: { batch_id: 'orders-1', events: [event] }, query: { batch_id: 'orders-2' } },
      { json: Array.from({ length: 10_001 }, () => event) },
      { body: '[{' },
      { json: [event], query: { batch_id: 'not/good' } },
    ]
    for (const options of wrong) expect((await push(options)).status).toBe(400)
    expect(await usesCounted()).toBe(0)
  })

  test('202 for 10,000 events, 413 for more than 4 MiB, 415 for another type', async () => {
    const full = await push({
      json: Array.from({ length: 10_000 }, (_, index) => ({ key_id: keyId, endpoint: `/${index % 40}` })),
    })
    expect([full.status, full.body.accepted]).toEqual([202, 10_000])
    expect((await push({ body: `["${'x'.repeat(4 * 1024 * 1024)}"]` })).status).toBe(413)
    expect((await push({ body: 'a,b', headers: { 'content-type': 'text/csv' } })).status).toBe(415)
  })

  test('an operator names the provider, and its status URL does too', async () => {
    const json = { batch_id: 'orders-1', events: [{ key_id: keyId }] }
    expect((await call(usagePush, services, { json })).status).toBe(400)
    const reply = await call(usagePush, services, { json, query: { provider_id: 'acme' } })
    expect(reply.body.status_url).toBe('/auth/keys/batch/usage/orders-1?provider_id=acme')
  })
})

describe('GET /auth/keys/batch/usage/{batch_id}', () => {
  test('200 goes from queued to completed, where applied equals accepted', async () => {
    await push({ json: { batch_id: 'orders-1', events: [{ key_id: keyId, count: 3 }, { key_id: 'bad' }] } })
    expect((await statusOf('orders-1')).body).toMatchObject({ status: 'queued', accepted: 3, applied: 0 })
    await services.consumer.drain()
    expect((await statusOf('orders-1')).body).toMatchObject({ status: 'processing', applied: 3 })
    await rollUpUsage(services)
    expect((await statusOf('orders-1')).body).toMatchObject({
      batch_id: 'orders-1',
      status: 'completed',
      accepted_at: '2026-11-22T16:00:00.000Z',
      accepted: 3,
      applied: 3,
      late: 0,
      duplicate: 0,
      rejected: [{ index: 1, pointer: '#/key_id' }],
    })
  })

  test('404 is the same, byte for byte, for another provider’s batch and an unknown one', async () => {
    await push({ json: { batch_id: 'orders-1', events: [{ key_id: keyId }] } })
    const stranger = (await makeManager(services, 'globex', ['usage:write'])).secret
    const headers = { 'x-request-id': 'the-same-one' }
    const theirs = await statusOf('orders-1', { key: stranger, headers })
    expect([theirs.status, theirs.body.code]).toEqual([404, 'batch_not_found'])
    expect(theirs.text).toBe((await statusOf('orders-9', { key: stranger, headers })).text)
  })
})
