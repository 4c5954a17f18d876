import { beforeEach, describe, expect, test } from 'vitest'
import { keysBatchValidate } from '../../functions/keys-batch-validate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { providersPut } from '../../functions/providers-put.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey } from '../support/requests/callers.ts'

let services: FakeServices
let held: HeldKey

beforeEach(async () => {
  services = fakeServices()
  held = await makeKey(services, { scopes: ['orders:read'], metadata: { tier: 'gold' }, ownerId: 'ann' })
})

const validate = async (json: object = {}, headers = {}) =>
  (await call(keysValidate, services, { json: { key: held.secret, ...json }, headers })).body

describe('POST /auth/keys/validate', () => {
  test('200 VALID shows the key’s owner and policy', async () => {
    expect(await validate({ scopes: ['orders:read'] })).toMatchObject({
      ...{
        valid: true,
        code: 'VALID',
        key_id: held.key.keyId,
        provider_id: 'acme',
        owner_id: 'ann',
        name: 'Mobile app',
      },
      ...{ environment: 'live', scopes: ['orders:read'], metadata: { tier: 'gold' }, expires_at: null },
      ...{ warnings: ['NEVER_EXPIRES'], degraded: false, cache_age_ms: 0 },
    })
  })

  test('200 with any verdict; unknown fields of the key are null', async () => {
    const { status, body } = await call(keysValidate, services, { json: { key: 'hello' } })
    expect([status, body.valid, body.code, body.key_id, body.checks]).toEqual([200, false, 'MALFORMED', null, []])
  })

  test('200 INSUFFICIENT_SCOPE names the missing scopes', async () => {
    expect(await validate({ scopes: ['users:read', 'orders:read'], any_scopes: ['a', 'b'] })).toMatchObject({
      ...{ valid: false, code: 'INSUFFICIENT_SCOPE', missing_scopes: ['users:read', 'a', 'b'] },
    })
  })

  test('200 PROVIDER_DISABLED as soon as the provider is disabled here', async () => {
    await validate()
    await call(providersPut, services, { params: { provider_id: 'acme' }, json: { status: 'disabled' } })
    expect(await validate()).toMatchObject({ valid: false, code: 'PROVIDER_DISABLED' })
  })

  test('a dry run runs every check and counts nothing; otherwise each use is counted, refused ones too', async () => {
    const dry = await validate({ dry_run: true, environment: 'test', scopes: ['x'] })
    const failed = dry.checks.filter(({ result }: { result: string }) => result === 'failed')
    expect(failed.map(({ check }: { check: string }) => check)).toEqual(['environment', 'scopes'])
    await validate({ cost: 0 })
    expect(services.queue.held()).toHaveLength(0)
    await validate({ environment: 'test' })
    expect(services.queue.held()).toHaveLength(1)
  })

  test('Cache-Control: no-cache bypasses the cache and reads the store', async () => {
    await validate()
    await services.time.advance(3000)
    expect((await validate()).cache_age_ms).toBe(3000)
    expect((await validate({}, { 'cache-control': 'max-age=0, no-cache' })).cache_age_ms).toBe(0)
    await services.time.advance(1000)
    expect((await validate({}, { 'cache-control': 'x-no-cache-please' })).cache_age_ms).toBe(1000)
  })

  test.each([
    ['no key', { key: undefined }, '#/key'],
    ['a key of more than 1,024 characters', { key: 'x'.repeat(1025) }, '#/key'],
    ['an invalid method', { method: 'get' }, '#/method'],
    ['an invalid cost', { cost: -1 }, '#/cost'],
    ['too many tags', { tags: Array.from({ length: 11 }, () => 'a') }, '#/tags'],
    ['an invalid environment', { environment: 'prod' }, '#/environment'],
  ])('400 for %s', async (_, json, pointer) => {
    expect((await validate(json)).errors.map((error: { pointer: string }) => error.pointer)).toEqual([pointer])
  })
})

describe('POST /auth/keys/batch/validate', () => {
  const batch = (requests: unknown) => call(keysBatchValidate, services, { json: { requests } })

  test('200 answers each request in order, like a single one, and counts each', async () => {
    const { body } = await batch([{ key: held.secret }, { key: 'x' }, { key: held.secret, environment: 'test' }])
    const alone = await validate({ cost: 0 })
    expect(body.results.map(({ code }: { code: string }) => code)).toEqual([
      'VALID',
      'MALFORMED',
      'ENVIRONMENT_MISMATCH',
    ])
    expect({ ...body.results[0], request_id: '' }).toEqual({ ...alone, request_id: '' })
    const counted = services.queue.held().flatMap((message) => services.codec.parse(message.body).deltas)
    expect(counted.map(({ outcome, count }) => [outcome, count])).toEqual([
      ['VALID', 1],
      ['ENVIRONMENT_MISMATCH', 1],
    ])
  })

  test('takes 1 to 100 requests', async () => {
    const many = (count: number) => Array.from({ length: count }, () => ({ key: held.secret, cost: 0 }))
    expect((await batch(many(100))).body.results).toHaveLength(100)
    expect((await batch(many(101))).status).toBe(400)
    expect((await batch([])).status).toBe(400)
  })

  test('400 names the invalid request, and validates none', async () => {
    const { status, body } = await batch([{ key: held.secret }, { key: 5 }])
    expect([status, body.errors[0].pointer]).toEqual([400, '#/requests/1/key'])
    expect(services.queue.held()).toEqual([])
  })
})
