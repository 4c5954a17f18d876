import { beforeEach, describe, expect, test } from 'vitest'
import { keysBatchValidate } from '../../functions/keys-batch-validate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { providersPut } from '../../functions/providers-put.ts'
import { AppError } from '../../shared/domain/errors.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey } from '../support/requests/callers.ts'
import { readMetric } from '../support/requests/read-metric.ts'

let services: FakeServices
let held: HeldKey

const wide = { name: 'wide', limit: 10, windowSeconds: 60, strategy: 'sliding_window' as const }
const narrow = { name: 'narrow', limit: 5, windowSeconds: 1, strategy: 'fixed_window' as const }

beforeEach(async () => {
  services = fakeServices()
  held = await makeKey(services, { rateLimits: [wide, narrow], quota: { limit: 3, period: 'month' } })
})

const validateOne = async (json: object) => {
  const { status, body, headers } = await call(keysValidate, services, { json: { key: held.secret, ...json } })
  expect(status).toBe(200)
  return { body, headers }
}
const validateInBatch = async (json: object) => {
  const requests = [{ key: held.secret, ...json }]
  const { status, body, headers } = await call(keysBatchValidate, services, { json: { requests } })
  expect(status).toBe(200)
  return { body: body.results[0], headers }
}
const remaining = async () => {
  const { body } = await validateOne({ cost: 0 })
  return [...body.rate_limits, body.quota].map((standing) => standing.remaining)
}
const writes = async () => sum(await readMetric(services.metrics, 'auth_api_limit_writes_total'))
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

describe.each([
  ['validate', validateOne],
  ['batch/validate', validateInBatch],
] as const)('%s of a cost above a limit', (_, validate) => {
  test.each([
    [11, 'key', 'wide', ['failed', 'skipped']],
    [6, 'key', 'narrow', ['failed', 'skipped']],
    [4, 'key', 'requests_per_month', ['passed', 'failed']],
  ])('of %d is COST_EXCEEDS_LIMIT by the first limit of the %s below it, %s', async (cost, level, name, results) => {
    const { body, headers } = await validate({ cost })
    expect(body).toMatchObject({ valid: false, code: 'COST_EXCEEDS_LIMIT', limited_by: { level, name }, warnings: [] })
    for (const field of ['retry_after_ms', 'quota_level', 'resets_at']) expect(body).not.toHaveProperty(field)
    expect(headers).not.toHaveProperty('retry-after')
    expect(body.checks.slice(-2).map(({ result }: { result: string }) => result)).toEqual(results)
    expect(body.checks.find(({ result }: { result: string }) => result === 'failed').detail).toContain(
      `cost of ${cost}`,
    )
  })

  test('charges no limit, leases nothing and writes no record', async () => {
    for (const cost of [4, 6, 11]) await validate({ cost })
    expect([services.limiter.leases(), await writes()]).toEqual([0, 0])
    expect(await remaining()).toEqual([10, 5, 3])
  })

  test('is the code too when a limit is exhausted, and takes nothing of the others', async () => {
    for (let uses = 0; uses < 3; uses++) expect((await validate({})).body.code).toBe('VALID')
    const before = await writes()
    expect((await validate({})).body.code).toBe('QUOTA_EXCEEDED')
    expect((await validate({ cost: 4 })).body).toMatchObject({ code: 'COST_EXCEEDS_LIMIT' })
    expect(await writes()).toBe(before)
    expect(await remaining()).toEqual([7, 2, 0])
  })

  test('is a denied use in the counts, once', async () => {
    await validate({ cost: 4 })
    const deltas = services.queue.held().flatMap((message) => services.codec.parse(message.body).deltas)
    expect(deltas.map(({ outcome, count }) => [outcome, count])).toEqual([['COST_EXCEEDS_LIMIT', 1]])
  })

  test('is neither counted nor charged in a dry run, which says the same', async () => {
    const { body } = await validate({ cost: 4, dry_run: true })
    expect(body).toMatchObject({ code: 'COST_EXCEEDS_LIMIT', limited_by: { level: 'key', name: 'requests_per_month' } })
    expect(services.queue.held()).toEqual([])
    expect(await remaining()).toEqual([10, 5, 3])
  })

  test('names a limit of the provider as such', async () => {
    const json = { name: 'Acme', rate_limits: [{ name: 'all', limit: 2, window_seconds: 60 }] }
    await call(providersPut, services, { params: { provider_id: 'acme' }, json })
    const { body } = await validate({ cost: 3 })
    expect(body).toMatchObject({ code: 'COST_EXCEEDS_LIMIT', limited_by: { level: 'provider', name: 'all' } })
  })

  test('of exactly the smallest limit is let through', async () => {
    expect((await validate({ cost: 3 })).body.code).toBe('VALID')
    expect(await remaining()).toEqual([7, 2, 0])
  })
})

test('needs no store: the limits that cannot be read then show no remainder', async () => {
  const down = async () => {
    throw new AppError('store_unavailable', 'The store is down.')
  }
  services = { ...services, limiter: { ...services.limiter, look: down, take: down } }
  const { body, headers } = await validateOne({ cost: 4 })
  expect(body).toMatchObject({ code: 'COST_EXCEEDS_LIMIT', limited_by: { level: 'key', name: 'requests_per_month' } })
  expect(body.quota).toEqual({ limit: 3, remaining: null, resets_at: null })
  expect(headers).not.toHaveProperty('ratelimit')
  expect((await call(keysValidate, services, { json: { key: held.secret, cost: 3 } })).status).toBe(503)
})

test('a batch judges each item by its own cost', async () => {
  const requests = [4, 3, 1].map((cost) => ({ key: held.secret, cost }))
  const { body } = await call(keysBatchValidate, services, { json: { requests } })
  const codes = body.results.map(({ code }: { code: string }) => code)
  expect(codes[0]).toBe('COST_EXCEEDS_LIMIT')
  expect(codes.toSorted()).toEqual(['COST_EXCEEDS_LIMIT', 'QUOTA_EXCEEDED', 'VALID'])
})

test('an earlier failed check keeps its code', async () => {
  expect((await validateOne({ cost: 99, environment: 'test' })).body.code).toBe('ENVIRONMENT_MISMATCH')
})
