import { beforeEach, describe, expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRotate } from '../../functions/keys-rotate.ts'
import { managementScopes } from '../../shared/contracts/fields.ts'
import { everyProvider } from '../../shared/domain/access/provider-scope.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call, type Endpoint } from '../support/requests/call.ts'
import { makeKey, makeManager } from '../support/requests/callers.ts'

let services: FakeServices

beforeEach(() => {
  services = fakeServices()
})

describe('a management key', () => {
  const wider = { kind: 'management', name: 'Wider', scopes: ['keys:write', 'keys:read'] }

  test('cannot create a key with a scope that it lacks, or over more providers', async () => {
    const { secret } = await makeManager(services, 'acme', ['keys:write'])
    const generate = async (change: object) => {
      const { status, body } = await call(keysGenerate, services, { key: secret, json: { ...wider, ...change } })
      return [status, body.code]
    }
    expect(await generate({})).toEqual([403, 'forbidden'])
    expect(await generate({ scopes: ['keys:write'], provider_id: '*' })).toEqual([403, 'forbidden'])
    expect(await generate({ scopes: ['keys:write'], provider_id: 'zeta' })).toEqual([404, 'provider_not_found'])
    expect((await generate({ scopes: ['keys:write'] }))[0]).toBe(201)
  })

  test('cannot patch a key to more scopes than its own, nor patch a key that has more', async () => {
    const { secret } = await makeManager(services, 'acme', ['keys:write'])
    const narrow = (await makeManager(services, 'acme', ['keys:write'])).key.keyId
    const wide = (await makeManager(services, 'acme', managementScopes)).key.keyId
    const patch = async (keyId: string, json: object) =>
      (await call(keysPatch, services, { key: secret, params: { token_id: keyId }, json })).status
    expect(await patch(narrow, { scopes: ['keys:write', 'keys:read'] })).toBe(403)
    expect(await patch(wide, { name: 'Mine' })).toBe(403)
    expect(await patch(wide, { scopes: ['keys:write'] })).toBe(403)
    expect(await patch(narrow, { name: 'Mine' })).toBe(200)
  })

  test('cannot gain the secret of a key that has more by rotating it', async () => {
    const { secret } = await makeManager(services, 'acme', ['keys:write'])
    const wide = (await makeManager(services, 'acme', managementScopes)).key
    const rotate = (keyId: string) =>
      call(keysRotate, services, { key: secret, params: { token_id: keyId }, json: { grace_period_seconds: 60 } })
    const { status, text } = await rotate(wide.keyId)
    expect(status).toBe(403)
    expect(text).not.toMatch(/permas_/)
    expect((await services.keys.findById(everyProvider, wide.keyId))?.value).toEqual(wide)
    const equal = (await makeManager(services, 'acme', ['keys:write'])).key
    expect((await rotate(equal.keyId)).status).toBe(201)
  })

  test('of one provider does not see keys over all providers', async () => {
    const { secret } = await makeManager(services, 'acme', managementScopes)
    const over = (await makeManager(services, '*', ['keys:read'])).key
    expect(
      (
        await call(keysRotate, services, {
          key: secret,
          params: { token_id: over.keyId },
          json: { grace_period_seconds: 60 },
        })
      ).status,
    ).toBe(404)
  })

  test('cannot be given an unenforced rule or an unknown scope, by any caller', async () => {
    const { key } = await makeManager(services, 'acme', ['keys:write'])
    const errorsOf = async (json: object) => {
      const { status, body } = await call(keysPatch, services, { params: { token_id: key.keyId }, json })
      return [status, ...(body.errors ?? []).map(({ pointer }: { pointer: string }) => pointer)]
    }
    const limit = { name: 'burst', limit: 1, window_seconds: 1 }
    expect(await errorsOf({ rate_limits: [limit] })).toEqual([400, '#/rate_limits'])
    expect(await errorsOf({ quota: { limit: 1, period: 'day' } })).toEqual([400, '#/quota'])
    expect(await errorsOf({ scopes: ['keys:read', '*', 'orders:read'] })).toEqual([400, '#/scopes/1', '#/scopes/2'])
    expect(await errorsOf({ scopes: null })).toEqual([400, '#/scopes'])
    expect((await services.keys.findById(everyProvider, key.keyId))?.value).toEqual(key)
  })

  describe('that expires', () => {
    const DAY_MS = 86_400_000
    const inDays = (days: number) => new Date(services.clock.now().getTime() + days * DAY_MS)
    const child = { kind: 'management', name: 'Child', scopes: ['keys:write'] }
    const expiring = (expiresAt: Date | null) =>
      makeKey(services, {
        ...{
          kind: 'management',
          environment: null,
          providerId: 'acme',
          scopes: ['keys:write', 'keys:revoke'],
          expiresAt,
        },
      })
    const statusOf = async (endpoint: Endpoint, key: string, token_id: string | null, json: object) =>
      (await call(endpoint, services, { key, json, ...(token_id !== null && { params: { token_id } }) })).status

    test('makes no key that outlives it', async () => {
      const { secret } = await expiring(inDays(10))
      const generate = (json: object) => statusOf(keysGenerate, secret, null, { ...child, ...json })
      expect([await generate({}), await generate({ expires_at: null })]).toEqual([403, 403])
      expect([await generate({ expires_at: inDays(11) }), await generate({ expires_in_days: 11 })]).toEqual([403, 403])
      expect([await generate({ expires_at: inDays(10) }), await generate({ expires_in_days: 9 })]).toEqual([201, 201])
    })

    test('makes API keys that outlive it: they are the provider’s, and grant nothing here', async () => {
      const { secret } = await expiring(inDays(10))
      expect(await statusOf(keysGenerate, secret, null, { environment: 'live', name: 'App' })).toBe(201)
    })

    test('lengthens neither its own life, nor a sibling’s, by a change or a rotation', async () => {
      const { key, secret } = await expiring(inDays(10))
      const sibling = (await expiring(inDays(9))).key.keyId
      for (const expires_at of [null, inDays(11)]) {
        for (const keyId of [key.keyId, sibling]) {
          expect(await statusOf(keysPatch, secret, keyId, { expires_at })).toBe(403)
          expect(await statusOf(keysRotate, secret, keyId, { grace_period_seconds: 60, expires_at })).toBe(403)
        }
      }
      expect(await statusOf(keysPatch, secret, sibling, { expires_at: inDays(10) })).toBe(200)
      expect(await statusOf(keysRotate, secret, sibling, { grace_period_seconds: 60 })).toBe(201)
      expect(await statusOf(keysRotate, secret, key.keyId, { grace_period_seconds: 60 })).toBe(201)
    })

    test('gains no secret of a key that lives longer, and changes none', async () => {
      const { secret } = await expiring(inDays(10))
      for (const end of [null, inDays(11)]) {
        const longer = (await expiring(end)).key
        expect(await statusOf(keysRotate, secret, longer.keyId, { grace_period_seconds: 60 })).toBe(403)
        const shortened = { grace_period_seconds: 60, expires_at: inDays(1) }
        expect(await statusOf(keysRotate, secret, longer.keyId, shortened)).toBe(403)
        expect(await statusOf(keysPatch, secret, longer.keyId, { name: 'Mine' })).toBe(403)
        expect((await services.keys.findById(everyProvider, longer.keyId))?.value).toEqual(longer)
      }
    })

    test('because it was rotated ends with its grace period, and so do the keys that it makes in it', async () => {
      const { key, secret } = await expiring(null)
      await call(keysRotate, services, { params: { token_id: key.keyId }, json: { grace_period_seconds: 60 } })
      await services.time.advance(10_000)
      expect(await statusOf(keysGenerate, secret, null, child)).toBe(403)
      const withinGrace = new Date(services.clock.now().getTime() + 50_000)
      expect(await statusOf(keysGenerate, secret, null, { ...child, expires_at: withinGrace })).toBe(201)
    })
  })
})
