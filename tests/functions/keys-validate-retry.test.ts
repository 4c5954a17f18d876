import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { keysBatchValidate } from '../../functions/keys-batch-validate.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { AppError } from '../../shared/domain/errors.ts'
import type { IdempotencyStore } from '../../shared/ports/idempotency.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'

const headers = { 'idempotency-key': 'use-42' }
const outage = () => Promise.reject(new AppError('store_unavailable', 'The tables do not answer.'))

let services: FakeServices
let held: HeldKey
/** Calls of the idempotency store. */
let calls: string[]

function counted(store: IdempotencyStore): IdempotencyStore {
  return new Proxy(store, {
    get(target, name) {
      calls.push(String(name))
      return Reflect.get(target, name)
    },
  })
}

beforeEach(async () => {
  calls = []
  services = fakeServices(({ idempotency }) => ({ idempotency: counted(idempotency) }))
  held = await makeKey(services, { quota: { limit: 3, period: 'day' }, metadata: { plan: 'gold' } })
})

const validate = (change: object = {}, json: object = {}) =>
  call(keysValidate, services, { json: { key: held.secret, ...json }, headers, ...change })
const batch = (change: object = {}) =>
  call(keysBatchValidate, services, { json: { requests: [{ key: held.secret }, { key: 'x' }] }, headers, ...change })
const uses = () => services.queue.held().length
const withoutId = ({ request_id, ...body }: { request_id: string }) => body

describe('validate under an Idempotency-Key', () => {
  test('answers a retry with the same verdict: one use, one token, in the retry’s own request id', async () => {
    const first = await validate()
    await services.time.advance(59_000)
    const retry = await validate()
    expect(withoutId(retry.body)).toEqual(withoutId(first.body))
    expect([retry.body.request_id, retry.headers['idempotency-replayed']]).toEqual([
      retry.headers['x-request-id'],
      'true',
    ])
    expect([retry.headers.ratelimit, first.headers['idempotency-replayed']]).toEqual([
      first.headers.ratelimit,
      undefined,
    ])
    expect([uses(), (await validate({ headers: {} })).body.quota.remaining]).toEqual([1, 1])
  })

  test('replays a refusal too', async () => {
    for (let use = 0; use < 3; use++) await validate({ headers: {} })
    expect((await validate()).body.code).toBe('QUOTA_EXCEEDED')
    await validate({}, { cost: 1 })
    expect(uses()).toBe(4)
    const { status, body } = await call(keysValidate, services, {
      json: { key: 'x' },
      headers: { 'idempotency-key': 'b' },
    })
    expect([status, body.code]).toEqual([200, 'MALFORMED'])
  })

  test('409 for another body, and for another endpoint', async () => {
    await validate()
    expect((await validate({}, { cost: 2 })).body.code).toBe('idempotency_key_reused')
    expect((await batch()).body.code).toBe('idempotency_key_reused')
    expect(uses()).toBe(1)
  })

  test('is new for another caller, and once the record has lapsed', async () => {
    await validate()
    const { secret } = await makeManager(services, 'acme', ['keys:validate'])
    expect((await validate({ key: secret })).headers['idempotency-replayed']).toBeUndefined()
    await services.time.advance(75_000)
    expect((await validate()).headers['idempotency-replayed']).toBeUndefined()
    expect(uses()).toBe(3)
  })

  test('without the header never touches the store', async () => {
    calls = []
    await validate({ headers: {} })
    await batch({ headers: {} })
    expect(calls).toEqual([])
  })

  test('never replays VALID of a key that is revoked or disabled by then: it is judged again', async () => {
    await validate()
    const params = { token_id: held.key.keyId }
    await call(keysPatch, services, { params, json: { enabled: false } })
    expect((await validate()).body.code).toBe('DISABLED')
    await call(keysPatch, services, { params, json: { enabled: true } })
    await call(keysRevoke, services, { params, json: {} })
    expect((await validate()).body).toMatchObject({ valid: false, code: 'REVOKED' })
    expect((await batch({ headers: { 'idempotency-key': 'b' } })).body.results[0].code).toBe('REVOKED')
  })

  test('stores neither the key, nor a hash of the request that a leaked table could confirm it with', async () => {
    await validate()
    const rows = JSON.stringify(await recordsOf())
    expect(rows).toContain(held.key.keyId)
    expect(rows).not.toContain(held.secret)
    const text = `POST /auth/keys/validate\n${JSON.stringify({ key: held.secret })}`
    expect(rows).not.toContain(createHash('sha256').update(text).digest('hex'))
  })
})

describe('a try that broke', () => {
  test('after taking its tokens is judged again: tokens are taken twice, never given', async () => {
    const { replace } = services.hotIdempotency
    services.hotIdempotency.replace = outage
    // As after a crash: the verdict was made and its record has no answer.
    expect((await validate()).status).toBe(200)
    services.hotIdempotency.replace = replace
    const soon = await validate()
    expect([soon.status, soon.body.code, soon.headers['retry-after']]).toEqual([409, 'idempotency_in_progress', '1'])
    await services.time.advance(15_000)
    const retry = await validate()
    expect([retry.body.code, retry.body.quota.remaining, uses()]).toEqual(['VALID', 1, 2])
    expect((await validate()).headers['idempotency-replayed']).toBe('true')
  })

  test('with a 503 is judged again at once', async () => {
    const { record } = services.usage
    services.usage.record = () => Promise.reject(new AppError('usage_unavailable', 'The queue does not answer.'))
    expect((await validate()).status).toBe(503)
    services.usage.record = record
    expect((await validate()).body.code).toBe('VALID')
  })

  test('of two at the same time one is told to retry, and one use is counted', async () => {
    const replies = await Promise.all([validate(), validate()])
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 409])
    expect(uses()).toBe(1)
  })

  test('while the records are unavailable, each try is judged: a verdict matters more than a saved token', async () => {
    const { insert } = services.hotIdempotency
    services.hotIdempotency.insert = outage
    const remaining = [(await validate()).body.quota.remaining, (await validate()).body.quota.remaining]
    expect([remaining, uses()]).toEqual([[2, 1], 2])
    services.hotIdempotency.insert = insert
  })
})

describe('batch validate under an Idempotency-Key', () => {
  test('answers a retry with the same verdicts, one use and one token each', async () => {
    const first = await batch()
    const retry = await batch()
    expect(retry.body.results.map(withoutId)).toEqual(first.body.results.map(withoutId))
    expect([retry.body.results[0].request_id, retry.body.request_id]).toEqual([
      retry.headers['x-request-id'],
      retry.headers['x-request-id'],
    ])
    expect([retry.headers['idempotency-replayed'], uses()]).toEqual(['true', 1])
  })

  test('judges again only the items that are no longer valid', async () => {
    const other = await makeKey(services)
    const json = { requests: [{ key: held.secret }, { key: other.secret }] }
    await batch({ json })
    await call(keysRevoke, services, { params: { token_id: other.key.keyId }, json: {} })
    const { body } = await batch({ json })
    expect(body.results.map(({ code }: { code: string }) => code)).toEqual(['VALID', 'REVOKED'])
    expect([body.results[0].quota.remaining, uses()]).toEqual([2, 3])
  })

  test('with an answer of more than 400,000 characters is not kept: its retry is judged again', async () => {
    const large = await makeKey(services, { metadata: { a: 'x'.repeat(4000) } })
    const json = { requests: Array.from({ length: 100 }, () => ({ key: large.secret })) }
    const [first, retry] = [await batch({ json }), await batch({ json })]
    expect([first.status, retry.status, retry.headers['idempotency-replayed']]).toEqual([200, 200, undefined])
  })
})

async function recordsOf() {
  const digest = createHash('sha256').update('use-42').digest('hex')
  return services.hotIdempotency.find(`admin|verdict|${digest.slice(0, 2)}`, digest)
}
