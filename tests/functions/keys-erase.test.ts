import { beforeEach, describe, expect, test } from 'vitest'
import { keysErase } from '../../functions/keys-erase.ts'
import { keysGet } from '../../functions/keys-get.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysUsage } from '../../functions/keys-usage.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usageList } from '../../functions/usage-list.ts'
import { eraseUsage } from '../../shared/operations/usage/erase-usage.ts'
import { rollUpUsage } from '../../shared/operations/usage/roll-up-usage.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'
import { drainUsage } from '../support/worlds/erasure-world.ts'

let services: FakeServices
let held: HeldKey

const params = () => ({ token_id: held.key.keyId })
const revoke = () => call(keysRevoke, services, { params: params(), json: { text: 'Ann lost it' } })
const erase = (options = {}) =>
  call(keysErase, services, { params: params(), json: { confirm: held.key.keyId }, ...options })
const validate = () => call(keysValidate, services, { json: { key: held.secret, client_ip: '192.0.2.7' } })

beforeEach(async () => {
  services = fakeServices()
  held = await makeKey(services, { ownerId: 'ann@example.com', name: 'Phone of Ann' })
})

describe('POST /auth/keys/{token_id}/erase', () => {
  test('200 shows the key as erased; GET shows the same; again answers the same', async () => {
    await revoke()
    await services.time.advance(1000)
    const { status, body } = await erase()
    expect(status).toBe(200)
    expect(body).toMatchObject({
      ...{ name: 'erased', status: 'revoked', revoked_text: null, description: null, metadata: null },
      ...{ owner_id: expect.stringMatching(/^erased-/), erased_at: services.clock.now().toISOString() },
    })
    expect((await call(keysGet, services, { params: params() })).body).toEqual(body)
    await services.time.advance(1000)
    expect((await erase()).body).toEqual(body)
  })

  test('409 key_not_revoked for a key that is not revoked', async () => {
    const { status, body } = await erase()
    expect([status, body.code]).toEqual([409, 'key_not_revoked'])
    expect((await call(keysGet, services, { params: params() })).body.erased_at).toBeNull()
  })

  test.each([
    ['nothing', { json: undefined }, expect.stringMatching(/^is missing/)],
    ['an empty object', { json: {} }, expect.stringMatching(/^is missing/)],
    ['another key’s id', { json: { confirm: '01K99999999999999999999999' } }, 'must be the token_id of the path'],
    ['true', { json: { confirm: true } }, expect.any(String)],
  ])('400 where %s confirms it, and nothing changes', async (_, options, detail) => {
    await revoke()
    const { status, body } = await erase(options)
    expect([status, body.code]).toEqual([400, 'invalid_request'])
    expect(body.errors).toMatchObject([{ pointer: '#/confirm', detail }])
    expect((await call(keysGet, services, { params: params() })).body.name).toBe('Phone of Ann')
  })

  test('under an Idempotency-Key a retry gets the stored answer, which has no text of the key', async () => {
    await revoke()
    const headers = { 'idempotency-key': 'once' }
    const first = await erase({ headers })
    const again = await erase({ headers })
    expect([again.headers['idempotency-replayed'], again.body]).toEqual(['true', first.body])
    expect(again.text).not.toMatch(/ann/i)
  })

  test('needs keys:erase: keys:revoke and keys:write do not suffice', async () => {
    await revoke()
    const { secret } = await makeManager(services, 'acme', ['keys:revoke', 'keys:write'])
    expect((await erase({ key: secret })).status).toBe(403)
    const eraser = await makeManager(services, 'acme', ['keys:erase'])
    expect((await erase({ key: eraser.secret })).status).toBe(200)
  })

  test('erases a management key too', async () => {
    held = await makeManager(services, '*', ['keys:read'])
    await revoke()
    expect((await erase()).body).toMatchObject({ kind: 'management', name: 'erased' })
    expect(await eraseUsage({ ...services, ...services.erasing }, 60)).toMatchObject({ changed: 0 })
  })
})

describe('after the erasure', () => {
  test('reports have the same sums under the pseudonym, and no address, later uses included', async () => {
    await validate()
    await revoke()
    await services.time.advance(10_000)
    await validate()
    await drainUsage(services)
    await rollUpUsage(services)
    const day = { from: '2026-11-22', to: '2026-11-22' }
    const byOwner = () => call(usageList, services, { query: { provider_id: 'acme', group_by: 'owner', ...day } })
    const ofKey = () => call(keysUsage, services, { params: params(), query: day })
    const [ownersBefore, keyBefore] = [(await byOwner()).body, (await ofKey()).body]
    expect(keyBefore.uses_after_revocation).toMatchObject({ count: 1, last_client_ip: '192.0.2.7' })
    const { owner_id: pseudonym } = (await erase()).body
    await eraseUsage({ ...services, ...services.erasing }, 60)
    const group = { ...ownersBefore.groups[0], group: pseudonym }
    expect((await byOwner()).body).toEqual({ ...ownersBefore, groups: [group] })
    const afterRevocation = { ...keyBefore.uses_after_revocation, last_client_ip: null }
    expect((await ofKey()).body).toEqual({ ...keyBefore, uses_after_revocation: afterRevocation })
    await services.time.advance(10_000)
    expect((await validate()).body.code).toBe('REVOKED')
    expect(JSON.stringify(services.queue.held())).not.toContain('192.0.2.7')
    await drainUsage(services)
    await rollUpUsage(services)
    expect((await ofKey()).body.uses_after_revocation).toMatchObject({ count: 2, last_client_ip: null })
    expect((await byOwner()).body.groups).toMatchObject([{ group: pseudonym, total: 3 }])
  })
})
