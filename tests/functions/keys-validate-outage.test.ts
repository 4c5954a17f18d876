import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { keysValidate } from '../../functions/keys-validate.ts'
import { generateSecret } from '../../shared/domain/keys/key-format.ts'
import type { KeyLookup } from '../../shared/operations/key-cache/key-lookup.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey } from '../support/requests/callers.ts'
import { knowingInstances, makeDisk } from '../support/worlds/knowing-instances.ts'

const MINUTE_MS = 60_000

/** Where an instance finds its keys while the store is down: its memory, or the replica from before a restart. */
const tiers = ['stale', 'replica'] as const

describe.each(tiers)('POST /auth/keys/validate while the store is down, from the tier %s', (tier) => {
  let world: ReturnType<typeof knowingInstances>
  let here: KeyLookup
  let active: HeldKey
  let expiring: HeldKey
  let revoked: HeldKey

  beforeEach(async () => {
    world = knowingInstances()
    const { services, time, instance, outage, revoke } = world
    active = await makeKey(services, { scopes: ['orders:read'], ipRestrictions: ['203.0.113.0/24'] })
    expiring = await makeKey(services, { expiresAt: new Date(time.clock.now().getTime() + 2 * MINUTE_MS) })
    revoked = await makeKey(services)
    const disk = makeDisk()
    const before = instance(disk)
    for (const { secret } of [active, expiring, revoked]) await before.find(secret, false)
    await before.findProvider('acme', false)
    await time.advance(1)
    await revoke(revoked.key.keyId)
    await time.advance(MINUTE_MS)
    outage(true)
    await time.advance(2 * MINUTE_MS)
    here = tier === 'stale' ? before : instance(disk)
  })

  const validate = async (key: string, fields: object = {}, headers = {}) => {
    const services = { ...world.services, keyLookup: here }
    return call(keysValidate, services, { json: { key, client_ip: '203.0.113.7', ...fields }, headers })
  }
  const codeOf = async (key: string, fields: object = {}) => (await validate(key, fields)).body.code

  test('an active key is VALID, and the answer is degraded and shows the entry’s age', async () => {
    const { status, body } = await validate(active.secret, { scopes: ['orders:read'] })
    expect([status, body.code, body.valid, body.degraded]).toEqual([200, 'VALID', true, true])
    expect(body.cache_age_ms).toBeGreaterThanOrEqual(2 * MINUTE_MS)
    expect(body.cache_age_ms).toBeLessThan(2 * MINUTE_MS + 6000)
  })

  test('expiry, address, scopes, environment and revocation are still enforced', async () => {
    expect(await codeOf(expiring.secret)).toBe('EXPIRED')
    expect(await codeOf(active.secret, { client_ip: '198.51.100.1' })).toBe('IP_NOT_ALLOWED')
    expect(await codeOf(active.secret, { scopes: ['orders:write'] })).toBe('INSUFFICIENT_SCOPE')
    expect(await codeOf(active.secret, { environment: 'test' })).toBe('ENVIRONMENT_MISMATCH')
    expect(await codeOf(revoked.secret)).toBe('REVOKED')
  })

  test('a key that is not cached here, and a call that bypasses the cache, get 503 with Retry-After', async () => {
    for (const reply of [
      await validate(generateSecret('live', randomBytes)),
      await validate(active.secret, {}, { 'cache-control': 'no-cache' }),
    ]) {
      expect([reply.status, reply.body.code]).toEqual([503, 'store_unavailable'])
      expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    }
  })

  test('a malformed key is still MALFORMED', async () => {
    expect(await codeOf('hello')).toBe('MALFORMED')
  })
})
