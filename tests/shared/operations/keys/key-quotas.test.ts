import { describe, expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import { keyQuotas } from '../../../../shared/operations/keys/key-quotas.ts'
import { patchKey } from '../../../../shared/operations/keys/patch-key.ts'
import { putProvider } from '../../../../shared/operations/keys/put-provider.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import { rotateKey } from '../../../../shared/operations/keys/rotate-key.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { memoryKeyCountStore } from '../../../support/memory/memory-key-count-store.ts'
import { makeKey, makeManager } from '../../../support/requests/callers.ts'

const acme = oneProvider('acme')
const allow = () => undefined

async function bounded(quotas: { maxKeys?: number; keysPerHour?: number }, services = fakeServices()) {
  const all = { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null, ...quotas }
  const settings = { name: null, status: 'active', failMode: 'open', rateLimits: [], quotas: all } as const
  await putProvider(services, acme, settings, 'admin')
  return services
}

const codeOf = (making: Promise<unknown>) =>
  making.then(
    () => 'made',
    (error) => error.code,
  )
const revoke = (services: FakeServices, keyId: string) =>
  writeRevocation(services, everyProvider, { keyId, reason: 'policy', text: null, replacedBy: null, by: 'admin' })
const rotate = (services: FakeServices, keyId: string, gracePeriodSeconds: number) => {
  const input = { keyId, newKeyId: services.random.id(), gracePeriodSeconds, expiresAt: undefined, by: 'admin' }
  return rotateKey(services, everyProvider, input, allow)
}
const keysOf = async (services: FakeServices) => (await services.keys.page(acme, { limit: 100, after: null })).items

describe('max_keys', () => {
  test('allows that many keys and no more: 409 key_quota_exceeded', async () => {
    const services = await bounded({ maxKeys: 2 })
    expect(await codeOf(makeKey(services))).toBe('made')
    expect(await codeOf(makeKey(services))).toBe('made')
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
    expect(await keysOf(services)).toHaveLength(2)
    expect(await codeOf(makeKey(services, { providerId: 'other' }))).toBe('made')
  })

  test('is never exceeded by 100 concurrent creates, whether on one instance or on four', async () => {
    const services = await bounded({ maxKeys: 7 })
    await services.time.advance(1)
    const { keys, providers, limiter, clock, log } = services
    const keyCounts = memoryKeyCountStore()
    const scheduler = {
      after: (_: number, task: () => void) => {
        const pause = setImmediate(task)
        return () => clearImmediate(pause)
      },
    }
    const instances = Array.from({ length: 4 }, () => ({
      ...services,
      keyQuotas: keyQuotas({ keys, providers, keyCounts, limiter, clock, log, scheduler, jitter: Math.random }),
    }))
    const codes = await Promise.all(
      Array.from({ length: 100 }, (_, index) => codeOf(makeKey(instances[index % 4] ?? services))),
    )
    expect(codes.filter((code) => code === 'made')).toHaveLength(7)
    expect(new Set(codes)).toEqual(new Set(['made', 'key_quota_exceeded']))
    expect(await keysOf(services)).toHaveLength(7)
  })

  test('counts the keys that were there before it was set', async () => {
    const services = fakeServices()
    for (let made = 0; made < 3; made++) await makeKey(services)
    await bounded({ maxKeys: 3 }, services)
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
    await bounded({ maxKeys: 4 }, services)
    expect(await codeOf(makeKey(services))).toBe('made')
    await bounded({}, services)
    for (let made = 0; made < 3; made++) await makeKey(services)
    await bounded({ maxKeys: 6 }, services)
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
  })

  test('counts, a minute later, the keys that were being made when it was set', async () => {
    const services = await bounded({ maxKeys: 3 })
    await services.time.advance(1)
    await makeKey(services)
    // Like an instance that read the provider before its quota was set.
    const unbounded = { ...services, keyQuotas: fakeServices().keyQuotas }
    for (let made = 0; made < 2; made++) await makeKey(unbounded)
    await services.time.advance(60_000)
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
  })

  test('counts disabled keys, and neither revoked nor expired nor management keys', async () => {
    const services = await bounded({ maxKeys: 2 })
    const { key: first } = await makeKey(services, { enabled: false })
    await makeKey(services, { expiresAt: new Date(services.clock.now().getTime() + 1000) })
    await makeManager(services, 'acme', ['keys:read'])
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
    await services.time.advance(1000)
    expect(await codeOf(makeKey(services))).toBe('made')
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
    await revoke(services, first.keyId)
    expect(await codeOf(makeKey(services))).toBe('made')
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
  })

  test('does not block a rotation: the new key takes over the place of the old key', async () => {
    const services = await bounded({ maxKeys: 1 })
    const { key } = await makeKey(services)
    const { key: second } = await rotate(services, key.keyId, 3600)
    await rotate(services, second.keyId, 0)
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
  })

  test('applies to an expired key that a later expiry would revive', async () => {
    const services = await bounded({ maxKeys: 1 })
    const later = (ms: number) => new Date(services.clock.now().getTime() + ms)
    const { key: expired } = await makeKey(services, { expiresAt: later(1000) })
    await services.time.advance(1000)
    const { key } = await makeKey(services)
    const revive = () => patchKey(services, everyProvider, expired.keyId, { expiresAt: later(5000) }, allow)
    expect(await codeOf(revive())).toBe('key_quota_exceeded')
    expect(await codeOf(patchKey(services, everyProvider, key.keyId, { expiresAt: later(5000) }, allow))).toBe('made')
    await revoke(services, key.keyId)
    expect(await codeOf(revive())).toBe('made')
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
  })

  test('reserves no second place for a retry of the same key, and never refuses the retry', async () => {
    const services = await bounded({ maxKeys: 2 })
    const { key } = await makeKey(services)
    expect(await codeOf(makeKey(services, { keyId: key.keyId }))).not.toBe('key_quota_exceeded')
    expect(await codeOf(makeKey(services))).toBe('made')
    await expect(makeKey(services, { keyId: key.keyId })).rejects.toThrow('there already')
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
  })

  test('keeps a place reserved after an outage error, until the key certainly does not exist', async () => {
    let down = false
    const services = await bounded(
      { maxKeys: 1 },
      fakeServices(({ keys }) => ({
        keys: {
          ...keys,
          create: (key) => (down ? Promise.reject(new AppError('store_unavailable', 'No answer.')) : keys.create(key)),
        },
      })),
    )
    down = true
    expect(await codeOf(makeKey(services))).toBe('store_unavailable')
    down = false
    expect(await codeOf(makeKey(services))).toBe('key_quota_exceeded')
    await services.time.advance(10 * 60_000)
    expect(await codeOf(makeKey(services))).toBe('made')
  })

  test('releases the reservation at once when the key is refused for another reason', async () => {
    const services = await bounded({ maxKeys: 1, keysPerHour: 1 })
    const { key } = await makeKey(services)
    await revoke(services, key.keyId)
    expect(await codeOf(makeKey(services))).toBe('rate_limited')
    await services.time.advance(3_600_000)
    expect(await codeOf(makeKey(services))).toBe('made')
  })
})

describe('keys_per_hour', () => {
  test('limits the keys made within a clock hour: 429 rate_limited', async () => {
    const services = await bounded({ keysPerHour: 2 })
    for (let made = 0; made < 2; made++) expect(await codeOf(makeKey(services))).toBe('made')
    const refusal = await makeKey(services).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'rate_limited', violatedPolicies: ['provider.quota.keys_per_hour'] })
    // Once the store's clock has certainly reached the hour: up to a few seconds later.
    const { retryAfterSeconds } = refusal as AppError
    expect(retryAfterSeconds).toBeGreaterThanOrEqual(3600)
    expect(retryAfterSeconds).toBeLessThanOrEqual(3605)
    expect(await codeOf(makeManager(services, 'acme', ['keys:read']))).toBe('made')
    await services.time.advance(3_605_000)
    expect(await codeOf(makeKey(services))).toBe('made')
  })

  test('counts a rotation like a new key, so that keys in grace are limited too', async () => {
    const services = await bounded({ keysPerHour: 2 })
    const { key } = await makeKey(services)
    const { key: second } = await rotate(services, key.keyId, 3600)
    expect(await codeOf(rotate(services, second.keyId, 3600))).toBe('rate_limited')
  })
})
