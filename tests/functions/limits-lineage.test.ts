import { beforeEach, describe, expect, test } from 'vitest'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRotate } from '../../functions/keys-rotate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { providersPut } from '../../functions/providers-put.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey } from '../support/requests/callers.ts'

let services: FakeServices

beforeEach(() => {
  services = fakeServices()
})

const rate = (limit: number, change: object = {}) => ({
  ...{ name: 'burst', limit, windowSeconds: 3600, strategy: 'sliding_window' as const },
  ...change,
})
const wire = (limit: number, change: object = {}) => ({ name: 'burst', limit, window_seconds: 3600, ...change })

/** How many of `times` validations of the secret are VALID. */
async function admitted(secret: string, times: number): Promise<number> {
  let valid = 0
  for (let time = 0; time < times; time++) {
    const { body } = await call(keysValidate, services, { json: { key: secret } })
    if (body.code === 'VALID') valid++
  }
  return valid
}

const params = (keyId: string) => ({ token_id: keyId })
const patch = (keyId: string, json: object) => call(keysPatch, services, { params: params(keyId), json })

async function rotate(keyId: string, seconds = 3600): Promise<{ keyId: string; secret: string }> {
  const { status, body } = await call(keysRotate, services, {
    params: params(keyId),
    json: { grace_period_seconds: seconds },
  })
  expect(status).toBe(201)
  return { keyId: body.key_id, secret: body.key }
}

describe('a rotation', () => {
  test('gives no quota back, however often a key is rotated', async () => {
    const held = await makeKey(services, { quota: { limit: 5, period: 'month' } })
    let current = { keyId: held.key.keyId, secret: held.secret }
    let total = await admitted(current.secret, 3)
    for (let turn = 0; turn < 3; turn++) {
      current = await rotate(current.keyId)
      total += await admitted(current.secret, 6)
    }
    expect(total).toBe(5)
  })

  test('leaves one limit to both keys during the grace', async () => {
    const held = await makeKey(services, { rateLimits: [rate(10)] })
    const successor = await rotate(held.key.keyId)
    expect(await admitted(held.secret, 6)).toBe(6)
    // One token may be leased ahead for the old key.
    expect(await admitted(successor.secret, 6)).toBeOneOf([3, 4])
    expect(await admitted(held.secret, 6)).toBeLessThanOrEqual(1)
    expect(await admitted(successor.secret, 1)).toBe(0)
  })
})

describe('a change of the key', () => {
  let held: HeldKey

  beforeEach(async () => {
    held = await makeKey(services, { rateLimits: [rate(10)], quota: { limit: 100, period: 'day' } })
    expect(await admitted(held.secret, 6)).toBe(6)
  })

  test.each([
    ['its name', { name: 'Renamed' }],
    ['the name of a limit', { rate_limits: [wire(10, { name: 'other' })] }],
    ['a longer window', { rate_limits: [wire(10, { window_seconds: 7200 })] }],
    ['a shorter window', { rate_limits: [wire(10, { window_seconds: 600 })] }],
    ['the strategy', { rate_limits: [wire(10, { strategy: 'fixed_window' })] }],
    [
      'name, window and strategy at once',
      { rate_limits: [wire(10, { name: 'x', window_seconds: 60, strategy: 'fixed_window' })] },
    ],
    ['the order, beside a second limit', { rate_limits: [wire(1000, { name: 'a', window_seconds: 5 }), wire(10)] }],
    ['names that two limits swap', { rate_limits: [wire(1000, { window_seconds: 5 }), wire(10, { name: 'b' })] }],
  ])('%s gives nothing back', async (_what, changes) => {
    expect((await patch(held.key.keyId, changes)).status).toBe(200)
    expect(await admitted(held.secret, 10)).toBe(4)
  })

  test('to disabled and back gives nothing back', async () => {
    await patch(held.key.keyId, { enabled: false })
    await patch(held.key.keyId, { enabled: true })
    expect(await admitted(held.secret, 10)).toBe(4)
  })

  test('a lowered limit counts what was used before, and shows no more than remains', async () => {
    await patch(held.key.keyId, { rate_limits: [wire(8)] })
    const { body } = await call(keysValidate, services, { json: { key: held.secret } })
    expect(body.rate_limits).toMatchObject([{ limit: 8, remaining: 1 }])
    expect(await admitted(held.secret, 10)).toBe(1)
    await patch(held.key.keyId, { rate_limits: [wire(3)] })
    expect(await admitted(held.secret, 10)).toBe(0)
  })

  test('a quota that changes its period counts the uses of today in the month, and those of the month today', async () => {
    await patch(held.key.keyId, { quota: { limit: 8, period: 'month' }, rate_limits: [] })
    expect(await admitted(held.secret, 10)).toBe(2)
    await patch(held.key.keyId, { quota: { limit: 9, period: 'day' } })
    expect(await admitted(held.secret, 10)).toBe(1)
    await services.time.advance(24 * 3600 * 1000)
    expect(await admitted(held.secret, 10)).toBe(9)
  })

  test('a limit that was lowered stays lowered for the rest of the lineage', async () => {
    await patch(held.key.keyId, { rate_limits: [wire(7)] })
    const successor = await rotate(held.key.keyId)
    expect(await admitted(successor.secret, 10)).toBe(1)
  })
})

describe('a provider’s limit', () => {
  test('that is renamed or lowered gives nothing back', async () => {
    const put = (json: object) => call(providersPut, services, { params: { provider_id: 'acme' }, json })
    await put({ name: 'Acme', rate_limits: [wire(10)] })
    const held = await makeKey(services)
    expect(await admitted(held.secret, 6)).toBe(6)
    await put({ name: 'Acme', rate_limits: [wire(10, { name: 'renamed' })] })
    expect(await admitted(held.secret, 2)).toBe(2)
    await put({ name: 'Acme', rate_limits: [wire(9, { name: 'renamed' })] })
    expect(await admitted(held.secret, 5)).toBe(1)
  })
})
