import pLimit from 'p-limit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NewKeyView } from '../../shared/contracts/keys.ts'
import { BatchValidationView, ValidationView } from '../../shared/contracts/validate.ts'
import type { Limit } from '../../shared/domain/limits/limit.ts'
import { callWithRetries } from '../support/requests/call-with-retries.ts'
import { startAzurite, type TestAzurite } from '../support/runs/azurite.ts'
import { type Fleet, startFleet } from '../support/runs/fleet.ts'
import { hammerKey, mostForCertain, validate } from '../support/runs/limit-hammer.ts'
import { type LimitTakers, startLimitTakers } from '../support/runs/limit-takers.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'

const settings = makeTestSettings('relaxed')
const credential = settings.ADMIN_KEY

let azurite: TestAzurite
let fleet: Fleet
let takers: LimitTakers

beforeAll(async () => {
  azurite = await startAzurite()
  fleet = await startFleet(3, { ...settings, AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString })
  takers = startLimitTakers(3, azurite.connectionString)
})

afterAll(async () => {
  await Promise.all([takers?.stop(), fleet?.stop()])
  await azurite?.stop()
})

const baseUrls = () => fleet.hosts().map(({ baseUrl }) => baseUrl)

const generate = async (fields: Readonly<Record<string, unknown>>) => (await generateKey(fields)).secret

async function generateKey(fields: Readonly<Record<string, unknown>>): Promise<{ keyId: string; secret: string }> {
  const body = { provider_id: 'acme', environment: 'live', name: 'limited', ...fields }
  const [baseUrl = ''] = baseUrls()
  const { reply } = await callWithRetries(baseUrl, 'POST /auth/keys/generate', { credential, body })
  expect(reply.status).toBe(201)
  const { key, key_id: keyId } = reply.as(NewKeyView)
  return { keyId, secret: key ?? '' }
}

/** Rotates the key on one of the hosts. */
async function rotate(keyId: string, host: number): Promise<{ keyId: string; secret: string }> {
  const body = { grace_period_seconds: 3600 }
  const { reply } = await callWithRetries(baseUrls()[host % 3] ?? '', `POST /auth/keys/${keyId}/rotate`, {
    credential,
    body,
  })
  expect(reply.status).toBe(201)
  const rotated = reply.as(NewKeyView)
  return { keyId: rotated.key_id, secret: rotated.key ?? '' }
}

describe('three hosts on one store', () => {
  test('never let more uses of a key through than its limit, in any span of the window’s length', async () => {
    const limit = 40
    const windowMs = 5000
    const rateLimits = [{ name: 'burst', limit, window_seconds: windowMs / 1000, strategy: 'sliding_window' }]
    const secret = await generate({ rate_limits: rateLimits })
    const report = await hammerKey({ baseUrls: baseUrls(), credential, secret, forMs: 17_000, atOnce: 3, pauseMs: 20 })
    expect(report.others).toEqual([])
    expect(report.refused).toBeGreaterThan(100)
    const most = mostForCertain(report.accepted, windowMs)
    expect(most).toBeLessThanOrEqual(limit)
    // The measurement is fine enough to detect a violation: these uses would exceed a slightly lower limit.
    expect(most).toBeGreaterThan(limit * 0.8)
    // Three windows; the first fills at once.
    expect(report.accepted.length).toBeGreaterThan(3 * limit * 0.8)
  })

  test('give nothing back for rotations, and hold a lowered limit 10 s after its reply, whatever was leased', async () => {
    const rateLimits = (limit: number) => [{ name: 'hourly', limit, window_seconds: 3600 }]
    const first = await generateKey({ rate_limits: rateLimits(1000), quota: { limit: 300, period: 'month' } })
    const hammer = (secret: string, forMs: number) =>
      hammerKey({ baseUrls: baseUrls(), credential, secret, forMs, atOnce: 2, pauseMs: 20 })
    const hammering = hammer(first.secret, 4000)
    let current = await rotate(first.keyId, 0)
    for (const host of [1, 2]) current = await rotate(current.keyId, host)
    const before = await hammering
    expect(before.others).toEqual([])
    // A full quota is reached by the keys of all rotations together.
    const [old, next] = await Promise.all([hammer(first.secret, 2000), hammer(current.secret, 2000)])
    expect(before.accepted.length + old.accepted.length + next.accepted.length).toBeLessThanOrEqual(300)
    expect(before.accepted.length).toBeGreaterThan(30)
    const body = { rate_limits: rateLimits(10), quota: null }
    const { reply } = await callWithRetries(baseUrls()[0] ?? '', `PATCH /auth/keys/${current.keyId}`, {
      credential,
      body,
    })
    expect(reply.status).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 10_000))
    const after = await hammer(current.secret, 2000)
    expect(after).toMatchObject({ accepted: [], others: [] })
    expect(after.refused).toBeGreaterThan(20)
  })

  test('refuse a cost above a limit for good, and charge it to none of the limits', async () => {
    const rate_limits = [{ name: 'burst', limit: 10, window_seconds: 3600 }]
    const secret = await generate({ rate_limits, quota: { limit: 5, period: 'month' } })
    const views: ValidationView[] = []
    for (const baseUrl of baseUrls()) {
      const body = { key: secret, cost: 6 }
      const single = await callWithRetries(baseUrl, 'POST /auth/keys/validate', { credential, body })
      const batch = { credential, body: { requests: [body, { key: secret, cost: 11 }] } }
      const { reply } = await callWithRetries(baseUrl, 'POST /auth/keys/batch/validate', batch)
      expect(single.reply.headers.get('retry-after')).toBeNull()
      views.push(single.reply.as(ValidationView), ...reply.as(BatchValidationView).results)
    }
    expect(views.map(({ code, limited_by }) => [code, limited_by?.name])).toEqual(
      baseUrls().flatMap(() => [
        ['COST_EXCEEDS_LIMIT', 'requests_per_month'],
        ['COST_EXCEEDS_LIMIT', 'requests_per_month'],
        ['COST_EXCEEDS_LIMIT', 'burst'],
      ]),
    )
    expect(views.filter((view) => 'retry_after_ms' in view)).toEqual([])
    const codes: string[] = []
    for (let use = 0; use < 6; use++) {
      codes.push((await validate(baseUrls()[use % 3] ?? '', { credential, secret })).code)
    }
    expect(codes.toSorted()).toEqual(['QUOTA_EXCEEDED', ...Array.from({ length: 5 }, () => 'VALID')])
  })

  test('give the last credit of a quota to exactly one of 1,000 callers', async () => {
    const connections = pLimit(200)
    for (let round = 0; round < 3; round++) {
      const secret = await generate({ quota: { limit: 1, period: 'month' } })
      const hosts = baseUrls()
      const verdicts = await connections.map(
        Array.from({ length: 1000 }, (_, caller) => hosts[caller % hosts.length] ?? ''),
        (baseUrl) => validate(baseUrl, { credential, secret }),
      )
      const count = (code: string) => verdicts.filter((verdict) => verdict.code === code).length
      expect({ valid: count('VALID'), exceeded: count('QUOTA_EXCEEDED') }).toEqual({ valid: 1, exceeded: 999 })
    }
  })
})

describe('three processes on one store', () => {
  test('give the last credit of a quota to exactly one of 1,000 callers, 100 times', async () => {
    const taken: number[] = []
    for (let round = 0; round < 100; round++) {
      const limit: Limit = { subject: `key:last-${round}`, name: 'quota', limit: 1, window: { kind: 'month' } }
      const counts = await takers.take({ limit, times: 334 })
      taken.push(counts.reduce((sum, count) => sum + count, 0))
    }
    expect(taken).toEqual(Array.from({ length: 100 }, () => 1))
  })

  test('grant exactly the whole quota', async () => {
    const limit: Limit = { subject: 'key:all', name: 'quota', limit: 500, window: { kind: 'day' } }
    const first = await takers.take({ limit, times: 150 })
    const second = await takers.take({ limit, times: 150 })
    const sum = [...first, ...second].reduce((total, count) => total + count, 0)
    expect(sum).toBeLessThanOrEqual(500)
    expect(sum).toBeGreaterThanOrEqual(485)
  })
})
