import { describe, expect, test } from 'vitest'
import { keysBatchValidate } from '../../functions/keys-batch-validate.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usagePush } from '../../functions/usage-push.ts'
import type { Services } from '../../shared/app/services.ts'
import { inFlightLimits } from '../../shared/operations/limits/in-flight.ts'
import { currentTurn } from '../../shared/runtime/turns.ts'
import { fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { makeKey, makeManager } from '../support/requests/callers.ts'

/** Services with `units` in flight per caller, two management keys, and a store that answers when `open` is called. */
async function slowWorld(units: number) {
  let isSlow = false
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const turns = new Set<string>()
  const plain = fakeServices(({ keys }) => ({
    keys: {
      ...keys,
      findByDigest: async (...asked) => {
        if (isSlow) {
          turns.add(currentTurn())
          await opened
        }
        return keys.findByDigest(...asked)
      },
    },
  }))
  const services: Services = { ...plain, inFlight: inFlightLimits(units) }
  const [acme, zeta] = await Promise.all(
    ['acme', 'zeta'].map(async (provider) => {
      const { secret } = await makeManager(services, provider, ['keys:validate', 'usage:write', 'keys:revoke'])
      await call(keysValidate, services, { key: secret, json: { key: 'garbage' } })
      return secret
    }),
  )
  const cold = await Promise.all(Array.from({ length: 4 }, () => makeKey(services)))
  isSlow = true
  const validate = (index: number, key = acme) =>
    call(keysValidate, services, { key: key ?? null, json: { key: cold[index]?.secret } })
  return { services, acme, zeta, cold, validate, open, turns }
}

const codeOf = async (reply: ReturnType<typeof call>) => {
  const { status, body, headers } = await reply
  return [status, body.code, headers['retry-after']]
}
const refused = [429, 'too_many_requests_in_flight', '1']

describe('a caller with as much in flight as it may have', () => {
  test('gets 429 with Retry-After at once, and its next call is served when one has ended', async () => {
    const { validate, open } = await slowWorld(2)
    const first = [validate(0), validate(1)]
    expect(await codeOf(validate(2))).toEqual(refused)
    open()
    for (const { body } of await Promise.all(first)) expect(body.code).toBe('VALID')
    expect((await validate(2)).body.code).toBe('VALID')
  })

  test('takes nothing from another caller', async () => {
    const { validate, open, zeta } = await slowWorld(1)
    const first = validate(0)
    const other = validate(1, zeta)
    expect(await codeOf(validate(2))).toEqual(refused)
    open()
    expect([(await first).body.code, (await other).body.code]).toEqual(['VALID', 'NOT_FOUND'])
  })

  test('can end a key all the same', async () => {
    const { services, validate, open, acme, cold } = await slowWorld(1)
    const first = validate(0)
    const token_id = cold[3]?.key.keyId ?? ''
    const revoked = await call(keysRevoke, services, {
      ...{ key: acme ?? null, params: { token_id }, json: { reason: 'policy' } },
    })
    expect(revoked.status).toBe(200)
    open()
    await first
  })
})

test('a batch weighs its items, and a push its events', async () => {
  const { services, acme, cold, validate, open } = await slowWorld(3)
  const key = acme ?? null
  const first = validate(0)
  const requests = Array.from({ length: 3 }, () => ({ key: cold[1]?.secret }))
  expect(await codeOf(call(keysBatchValidate, services, { key, json: { requests } }))).toEqual(refused)
  const events = Array.from({ length: 61 }, () => ({ key_id: cold[2]?.key.keyId, at: services.clock.now() }))
  expect(await codeOf(call(usagePush, services, { key, json: { events } }))).toEqual(refused)
  open()
  await first
  const batch = await call(keysBatchValidate, services, { key, json: { requests } })
  expect(batch.body.results.map(({ code }: { code: string }) => code)).toEqual(['VALID', 'VALID', 'VALID'])
})

test('each call waits for the store in the turn of its provider', async () => {
  const { validate, open, turns, zeta } = await slowWorld(10)
  const both = [validate(0), validate(1), validate(2, zeta)]
  open()
  await Promise.all(both)
  expect(turns).toEqual(new Set(['provider:acme', 'provider:zeta']))
})

test('look-ups with no-cache are bounded per caller and second: all of a batch or none', async () => {
  const services = fakeServices()
  const { secret } = await makeKey(services)
  const headers = { 'cache-control': 'no-cache' }
  const batch = (size: number) => {
    const requests = Array.from({ length: size }, () => ({ key: secret }))
    return call(keysBatchValidate, services, { headers, json: { requests } })
  }
  expect((await batch(100)).status).toBe(200)
  const { status, body, headers: answered } = await batch(1)
  expect([status, body.code, body['violated-policies'], answered['retry-after']]).toEqual([
    ...[429, 'rate_limited', ['no_cache'], '1'],
  ])
  expect((await call(keysValidate, services, { json: { key: secret } })).body.code).toBe('VALID')
  await services.time.advance(1000)
  expect((await batch(100)).status).toBe(200)
})
