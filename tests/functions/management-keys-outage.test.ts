import { beforeEach, describe, expect, test } from 'vitest'
import { keysValidate } from '../../functions/keys-validate.ts'
import { managementScopes } from '../../shared/contracts/fields.ts'
import type { KeyLookup } from '../../shared/operations/key-cache/key-lookup.ts'
import { loadEndpoints } from '../support/requests/all-functions.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'
import { sampleCalls } from '../support/requests/sample-calls.ts'
import { knowingInstances } from '../support/worlds/knowing-instances.ts'

const FRESH_MS = 8000
const STALE_MS = 900_000
const managed = (await loadEndpoints()).filter(
  ({ access }) => typeof access === 'object' || managementScopes.some((scope) => scope === access),
)
const others = managed
  .filter(({ access }) => access !== 'keys:validate')
  .map((endpoint) => [endpoint.name, endpoint] as const)

let world: ReturnType<typeof knowingInstances>
let here: KeyLookup
let manager: HeldKey
let held: HeldKey

/** An instance that has both keys cached is cut off; then the management key is revoked elsewhere. */
beforeEach(async () => {
  world = knowingInstances()
  const { services, instance, outage, revoke, time } = world
  manager = await makeManager(services, '*', managementScopes)
  held = await makeKey(services)
  here = instance()
  for (const { secret } of [manager, held]) await here.find(secret, false)
  await here.findProvider('acme', false)
  await time.advance(6000)
  outage(true)
  await revoke(manager.key.keyId)
  await time.advance(FRESH_MS)
})

const services = () => ({ ...world.services, keyLookup: here })
const validate = () => call(keysValidate, services(), { key: manager.secret, json: { key: held.secret } })

describe('a management key that an instance cannot confirm', () => {
  test.each(others)('gets 503 at %s, never a success: it may be revoked', async (_, endpoint) => {
    const sample = sampleCalls[endpoint.name]?.(held) ?? {}
    const { status, body } = await call(endpoint, services(), { ...sample, key: manager.secret })
    expect([status, body.code]).toEqual([503, 'store_unavailable'])
  })

  test('gets degraded verdicts, for as long as known keys do', async () => {
    expect((await validate()).body).toMatchObject({ code: 'VALID', degraded: true })
    await world.time.advance(STALE_MS)
    expect((await validate()).status).toBe(503)
  })

  test('gets 401 everywhere once the instance has seen the revocation', async () => {
    world.down.feed = false
    await world.time.advance(10_000)
    world.down.feed = true
    await world.time.advance(60_000)
    expect((await validate()).status).toBe(401)
    for (const [, endpoint] of others) {
      const sample = sampleCalls[endpoint.name]?.(held) ?? {}
      expect((await call(endpoint, services(), { ...sample, key: manager.secret })).status).toBe(401)
    }
  })
})
