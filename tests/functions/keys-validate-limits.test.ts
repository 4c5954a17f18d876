import { beforeEach, describe, expect, test } from 'vitest'
import { keysBatchValidate } from '../../functions/keys-batch-validate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { providersPut } from '../../functions/providers-put.ts'
import type { Key } from '../../shared/domain/keys/key.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey } from '../support/requests/callers.ts'

let services: FakeServices
let held: HeldKey

beforeEach(async () => {
  services = fakeServices()
  held = await makeKey(services)
})

const validate = async (json: object = {}) =>
  (await call(keysValidate, services, { json: { key: held.secret, ...json } })).body
const burst = { name: 'burst', limit: 2, windowSeconds: 60, strategy: 'sliding_window' as const }
const limitedBy = (rateLimits: readonly (typeof burst)[], quota: Key['quota'] = null) =>
  makeKey(services, { rateLimits, quota })
const setProvider = (json: object) =>
  call(providersPut, services, { params: { provider_id: 'acme' }, json: { name: 'Acme', ...json } })
const resultsOf = (body: { checks: { result: string }[] }) => body.checks.slice(-2).map(({ result }) => result)

describe('the limits of a key', () => {
  test('200 VALID shows each remainder, in the body and in the RateLimit fields', async () => {
    held = await limitedBy([burst], { limit: 100, period: 'day' })
    const { body, headers } = await call(keysValidate, services, { json: { key: held.secret } })
    expect(body).toMatchObject({
      ...{ code: 'VALID', rate_limits: [{ name: 'burst', limit: 2, remaining: 1, reset_at: expect.any(String) }] },
      quota: { limit: 100, remaining: 99, resets_at: '2026-11-23T00:00:00.000Z' },
    })
    expect(resultsOf(body)).toEqual(['passed', 'passed'])
    expect(headers['ratelimit-policy']).toBe('"burst";q=2;w=60, "quota.requests_per_day";q=100;w=86400')
    expect(headers.ratelimit).toMatch(/^"burst";r=1;t=\d+, "quota.requests_per_day";r=99;t=28800$/)
    expect(headers).not.toHaveProperty('retry-after')
  })

  test('200 without any of these fields for a key without limits', async () => {
    const { body, headers } = await call(keysValidate, services, { json: { key: held.secret } })
    expect(body).toMatchObject({ rate_limits: [], quota: null })
    expect(Object.keys(headers).filter((name) => name.startsWith('ratelimit'))).toEqual([])
  })

  test('200 RATE_LIMITED names the limit and when to retry, also as Retry-After', async () => {
    held = await limitedBy([burst])
    for (let uses = 0; uses < 2; uses++) expect((await validate()).code).toBe('VALID')
    const { status, body, headers } = await call(keysValidate, services, { json: { key: held.secret } })
    expect([status, body.valid, body.code]).toEqual([200, false, 'RATE_LIMITED'])
    expect(body.limited_by).toEqual({ level: 'key', name: 'burst' })
    expect(resultsOf(body)).toEqual(['failed', 'skipped'])
    expect(Number(headers['retry-after']) * 1000).toBeGreaterThanOrEqual(body.retry_after_ms)
    await services.time.advance(Number(headers['retry-after']) * 1000)
    expect((await validate()).code).toBe('VALID')
  })

  test('200 QUOTA_EXCEEDED names the quota’s level and when it resets', async () => {
    held = await limitedBy([], { limit: 1, period: 'month' })
    expect(await validate()).toMatchObject({ code: 'VALID', warnings: ['NEVER_EXPIRES', 'QUOTA_80'] })
    const body = await validate()
    expect(body).toMatchObject({
      ...{ valid: false, code: 'QUOTA_EXCEEDED', quota_level: 'key', resets_at: '2026-12-01T00:00:00.000Z' },
      quota: { limit: 1, remaining: 0 },
    })
    expect(body).not.toHaveProperty('retry_after_ms')
    expect(resultsOf(body)).toEqual(['passed', 'failed'])
  })

  test('a refused use takes nothing from the other limits, whichever refuses', async () => {
    held = await limitedBy([{ ...burst, limit: 1 }], { limit: 9, period: 'day' })
    await validate()
    for (let uses = 0; uses < 3; uses++) expect((await validate()).code).toBe('RATE_LIMITED')
    expect((await validate({ dry_run: true })).quota.remaining).toBe(8)
    held = await limitedBy([{ ...burst, limit: 9 }], { limit: 1, period: 'day' })
    await validate()
    for (let uses = 0; uses < 3; uses++) expect((await validate()).code).toBe('QUOTA_EXCEEDED')
    expect((await validate({ cost: 0 })).rate_limits[0].remaining).toBe(8)
  })

  test('a use refused by an earlier check takes nothing, and shows no remainder: limits were not checked', async () => {
    held = await limitedBy([burst])
    const refused = await validate({ environment: 'test' })
    expect(refused).toMatchObject({ rate_limits: [{ name: 'burst', limit: 2, remaining: null, reset_at: null }] })
    expect(resultsOf(refused)).toEqual(['skipped', 'skipped'])
    for (let uses = 0; uses < 2; uses++) expect((await validate()).code).toBe('VALID')
  })

  test('a use takes its cost; a dry run and a cost of 0 take nothing', async () => {
    held = await limitedBy([{ ...burst, limit: 10 }])
    expect((await validate({ cost: 7 })).rate_limits[0].remaining).toBe(3)
    for (let uses = 0; uses < 3; uses++) expect((await validate({ dry_run: true, cost: 3 })).code).toBe('VALID')
    expect((await validate({ dry_run: true, cost: 4 })).code).toBe('RATE_LIMITED')
    expect((await validate({ cost: 0 })).rate_limits[0].remaining).toBe(3)
    expect((await validate({ cost: 4 })).code).toBe('RATE_LIMITED')
    expect((await validate({ cost: 3 })).code).toBe('VALID')
    expect((await validate({ cost: 0 })).code).toBe('VALID')
  })

  test('a dry run checks the limits also after an earlier failure', async () => {
    held = await limitedBy([{ ...burst, limit: 1 }])
    await validate()
    const body = await validate({ dry_run: true, environment: 'test' })
    expect([body.code, ...resultsOf(body)]).toEqual(['ENVIRONMENT_MISMATCH', 'failed', 'passed'])
  })

  test('a limited use is counted with its outcome', async () => {
    held = await limitedBy([{ ...burst, limit: 1 }])
    await validate()
    await validate()
    const deltas = services.queue.held().flatMap((message) => services.codec.parse(message.body).deltas)
    expect(deltas.map(({ outcome, count }) => [outcome, count])).toEqual([
      ['VALID', 1],
      ['RATE_LIMITED', 1],
    ])
  })

  test('are counted per key', async () => {
    const other = await limitedBy([{ ...burst, limit: 1 }])
    held = await limitedBy([{ ...burst, limit: 1 }])
    await validate()
    expect((await validate()).code).toBe('RATE_LIMITED')
    expect((await validate({ key: other.secret })).code).toBe('VALID')
  })
})

describe('the limits of a provider', () => {
  test('limit all its keys together: RATE_LIMITED names the level', async () => {
    await setProvider({ rate_limits: [{ name: 'all', limit: 2, window_seconds: 60 }] })
    const other = await makeKey(services)
    expect((await validate()).code).toBe('VALID')
    expect((await validate({ key: other.secret })).code).toBe('VALID')
    const { body, headers } = await call(keysValidate, services, { json: { key: other.secret } })
    expect(body).toMatchObject({
      code: 'RATE_LIMITED',
      limited_by: { level: 'provider', name: 'all' },
      rate_limits: [],
    })
    expect(headers['ratelimit-policy']).toBe('"provider.all";q=2;w=60')
  })

  test.each([
    ['requests_per_day', '2026-11-23T00:00:00.000Z'],
    ['requests_per_month', '2026-12-01T00:00:00.000Z'],
  ])('limit its requests: %s', async (quota, resetsAt) => {
    await setProvider({ quotas: { [quota]: 1 } })
    expect((await validate()).code).toBe('VALID')
    expect(await validate()).toMatchObject({ code: 'QUOTA_EXCEEDED', quota_level: 'provider', resets_at: resetsAt })
  })
})

test('a batch checks each of its requests against the limits', async () => {
  held = await limitedBy([burst])
  const requests = [1, 2, 3].map(() => ({ key: held.secret }))
  const { body } = await call(keysBatchValidate, services, { json: { requests } })
  const codes = body.results.map(({ code }: { code: string }) => code)
  expect(codes.toSorted()).toEqual(['RATE_LIMITED', 'VALID', 'VALID'])
})
