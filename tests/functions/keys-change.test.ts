import { beforeEach, describe, expect, test } from 'vitest'
import { keysGet } from '../../functions/keys-get.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysRotate } from '../../functions/keys-rotate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call, type Endpoint } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'

let services: FakeServices
let held: HeldKey

beforeEach(async () => {
  services = fakeServices()
  held = await makeKey(services, {
    ...{ description: 'd', ownerId: 'ann', scopes: ['a'], ipRestrictions: ['192.0.2.1'], metadata: { a: 1 } },
    ...{ expiresAt: new Date('2027-01-01'), quota: { limit: 9, period: 'day' as const } },
    rateLimits: [{ name: 'burst', limit: 9, windowSeconds: 1, strategy: 'fixed_window' }],
  })
})

const about = (endpoint: Endpoint) => (json?: object) =>
  call(endpoint, services, { params: { token_id: held.key.keyId }, ...(json && { json }) })
const get = about(keysGet)
const patch = about(keysPatch)
const revoke = about(keysRevoke)
const rotate = about(keysRotate)
const codeOf = async (key: string) =>
  (await call(keysValidate, services, { json: { key, client_ip: '192.0.2.1' } })).body.code

describe('GET /auth/keys/{token_id}', () => {
  test('200 shows the key, and nothing that reveals its secret', async () => {
    const { status, body, text } = await get()
    expect([status, body.key_id, body.hint]).toEqual([200, held.key.keyId, held.key.hint])
    expect(text).not.toMatch(/digest|pepper/i)
    expect(text).not.toContain(held.key.digest)
  })

  test('404 for an unknown key, 400 for a malformed key id', async () => {
    const status = async (tokenId: string) => (await call(keysGet, services, { params: { token_id: tokenId } })).status
    expect(await status('01K99999999999999999999999')).toBe(404)
    for (const tokenId of [
      'x'.repeat(26),
      held.key.keyId.toLowerCase(),
      held.secret,
      '../../providers/acme',
      "' or 1 eq 1",
    ]) {
      expect(await status(tokenId)).toBe(400)
    }
  })
})

describe('PATCH /auth/keys/{token_id}', () => {
  test('200 changes the given fields, leaves absent ones, and validate sees it at once', async () => {
    expect(await codeOf(held.secret)).toBe('VALID')
    const { status, body } = await patch({ enabled: false, name: ' New ' })
    expect([status, body.enabled, body.name, body.status, body.owner_id]).toEqual([
      200,
      false,
      'New',
      'disabled',
      'ann',
    ])
    expect((await get()).body).toEqual(body)
    expect(await codeOf(held.secret)).toBe('DISABLED')
  })

  test('200 clears with null', async () => {
    const nulls = { description: null, owner_id: null, expires_at: null, quota: null, metadata: null }
    const { body } = await patch({ ...nulls, scopes: null, ip_restrictions: null, rate_limits: null })
    expect(body).toMatchObject({ ...nulls, scopes: [], ip_restrictions: [], rate_limits: [] })
  })

  test('400 for null in a field that cannot be cleared, and for an empty patch', async () => {
    for (const json of [{ name: null }, { enabled: null }, { enabled: 'yes' }, {}]) {
      expect((await patch(json)).status).toBe(400)
    }
  })

  test('409 key_revoked for any change of a revoked key', async () => {
    await revoke({})
    for (const json of [{ enabled: true }, { name: 'x' }, { expires_at: null }]) {
      const { status, body } = await patch(json)
      expect([status, body.code]).toEqual([409, 'key_revoked'])
    }
    expect(await codeOf(held.secret)).toBe('REVOKED')
  })
})

describe('POST /auth/keys/{token_id}/revoke', () => {
  test('200 is permanent: the key shows who, why, when and its replacement', async () => {
    const replacement = (await makeKey(services)).key.keyId
    const { secret, key } = await makeManager(services, 'acme', ['keys:revoke'])
    const json = { reason: 'compromised', text: 'on a forum', replaced_by: replacement }
    const { status, body } = await call(keysRevoke, services, {
      key: secret,
      params: { token_id: held.key.keyId },
      json,
    })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      ...{ status: 'revoked', revoked_at: '2026-11-22T16:00:00.000Z', revoked_by: key.keyId, replaced_by: replacement },
      ...{ revoked_reason: 'compromised', revoked_text: 'on a forum' },
    })
  })

  test('200 again: idempotent, with the same answer', async () => {
    const first = await revoke({ reason: 'policy' })
    await services.time.advance(5000)
    expect((await revoke({ reason: 'compromised', text: 'later' })).body).toEqual(first.body)
  })

  test('200 needs no body at all', async () => {
    expect((await revoke()).body.revoked_reason).toBe('unspecified')
  })

  test('is seen by validate at once, with the reason and the replacement', async () => {
    expect(await codeOf(held.secret)).toBe('VALID')
    const replacement = (await makeKey(services)).key.keyId
    await revoke({ reason: 'superseded', replaced_by: replacement })
    const { body } = await call(keysValidate, services, { json: { key: held.secret } })
    expect(body).toMatchObject({
      ...{ valid: false, code: 'REVOKED', revoked_reason: 'superseded', replaced_by: replacement },
    })
  })
})

describe('POST /auth/keys/{token_id}/rotate', () => {
  test('201 returns a new key, once; without grace the old one is invalid at once', async () => {
    const { status, headers, body } = await rotate({ grace_period_seconds: 0 })
    expect([status, headers.location, body.rotated_from]).toEqual([201, `/auth/keys/${body.key_id}`, held.key.keyId])
    expect([await codeOf(body.key), await codeOf(held.secret)]).toEqual(['VALID', 'REVOKED'])
    expect((await get()).body).toMatchObject({ replaced_by: body.key_id, revoked_reason: 'rotated' })
  })

  test('201 with grace keeps both keys valid until the grace period ends', async () => {
    const { body } = await rotate({ grace_period_seconds: 60 })
    expect([await codeOf(body.key), await codeOf(held.secret)]).toEqual(['VALID', 'VALID'])
    expect((await get()).body).toMatchObject({ status: 'in_grace', grace_until: '2026-11-22T16:01:00.000Z' })
    await services.time.advance(60_000)
    expect([await codeOf(body.key), await codeOf(held.secret)]).toEqual(['VALID', 'EXPIRED'])
  })

  test('409 for a key that has a successor, and for a revoked key', async () => {
    await rotate({ grace_period_seconds: 60 })
    expect((await rotate({ grace_period_seconds: 0 })).body.code).toBe('key_already_rotated')
    await revoke({})
    expect((await rotate({ grace_period_seconds: 0 })).status).toBe(409)
  })

  test('400 without a grace period: the old key stays as it is', async () => {
    for (const json of [{}, undefined, { expires_at: null }]) {
      const { status, body } = await rotate(json)
      expect([status, body.errors]).toEqual([400, [{ pointer: '#/grace_period_seconds', detail: expect.any(String) }]])
    }
    expect(await codeOf(held.secret)).toBe('VALID')
  })

  test('without grace needs keys:revoke: it ends the old key', async () => {
    const { secret } = await makeManager(services, 'acme', ['keys:write'])
    const options = { key: secret, params: { token_id: held.key.keyId } }
    const { status, body } = await call(keysRotate, services, { ...options, json: { grace_period_seconds: 0 } })
    expect([status, body.code]).toEqual([403, 'forbidden'])
    expect(body.detail).toMatch(/keys:revoke/)
    expect(await codeOf(held.secret)).toBe('VALID')
    expect((await call(keysRotate, services, { ...options, json: { grace_period_seconds: 1 } })).status).toBe(201)
  })

  test('400 for an invalid grace period, or one above 30 days', async () => {
    for (const seconds of [-1, 1.5, 2_592_001, '60', null]) {
      expect((await rotate({ grace_period_seconds: seconds })).status).toBe(400)
    }
    expect((await rotate({ grace_period_seconds: 2_592_000 })).status).toBe(201)
  })
})
