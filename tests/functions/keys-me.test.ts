import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { keysGet } from '../../functions/keys-get.ts'
import { keysMe } from '../../functions/keys-me.ts'
import { keysMeRevoke } from '../../functions/keys-me-revoke.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { providersPut } from '../../functions/providers-put.ts'
import { generateSecret } from '../../shared/domain/keys/key-format.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call, type Endpoint } from '../support/requests/call.ts'
import { type HeldKey, makeKey } from '../support/requests/callers.ts'

let services: FakeServices
let held: HeldKey

beforeEach(async () => {
  services = fakeServices()
  held = await makeKey(services, { scopes: ['a'], ownerId: 'ann', description: 'internal', metadata: { plan: 'x' } })
})

const me = (key = held.secret) => call(keysMe, services, { key, headers: { 'x-request-id': 'the-same-id' } })
const about = (endpoint: Endpoint, json: object) =>
  call(endpoint, services, { params: { token_id: held.key.keyId }, json })

describe('GET /auth/keys/me', () => {
  test('200 shows a holder its key’s policy, and nothing internal to the provider', async () => {
    const { status, body, text } = await me()
    expect([status, body.key_id, body.scopes, body.status]).toEqual([200, held.key.keyId, ['a'], 'active'])
    expect(text).not.toMatch(/ann|internal|plan|acme/)
  })

  test('401 is the same, byte for byte, for a key that is malformed, unknown, or inactive in any way', async () => {
    const replies = [await me('hello'), await me(generateSecret('live', randomBytes))]
    await about(keysPatch, { enabled: false })
    replies.push(await me())
    await about(keysPatch, { enabled: true, expires_at: '2026-11-22T16:00:01Z' })
    await services.time.advance(1000)
    replies.push(await me())
    await about(keysRevoke, {})
    replies.push(await me())
    held = await makeKey(services, { notBefore: new Date('2099-01-01') })
    replies.push(await me())
    held = await makeKey(services)
    expect((await me()).status).toBe(200)
    await call(providersPut, services, { params: { provider_id: 'acme' }, json: { status: 'disabled' } })
    replies.push(await me())
    const answers = replies.map(({ status, headers, text }) => JSON.stringify([status, headers, text]))
    expect(replies[0]?.status).toBe(401)
    expect(new Set(answers).size).toBe(1)
    expect(answers).toHaveLength(7)
  })
})

describe('POST /auth/keys/me/revoke', () => {
  test('200 lets a holder revoke its key', async () => {
    const { status, body } = await call(keysMeRevoke, services, { key: held.secret, json: { reason: 'compromised' } })
    expect([status, body.status]).toEqual([200, 'revoked'])
    expect((await me()).status).toBe(401)
    const { body: key } = await call(keysGet, services, { params: { token_id: held.key.keyId } })
    expect(key).toMatchObject({ revoked_reason: 'compromised', revoked_by: held.key.keyId })
  })

  test('200 again, and for an expired or disabled key: possession is enough', async () => {
    await about(keysPatch, { enabled: false })
    const first = await call(keysMeRevoke, services, { key: held.secret })
    const second = await call(keysMeRevoke, services, { key: held.secret, json: { reason: 'policy' } })
    expect([first.status, second.status]).toEqual([200, 200])
    expect(second.body).toEqual(first.body)
  })

  test('400 for replaced_by: a holder says nothing about other keys', async () => {
    const json = { replaced_by: '01K99999999999999999999999' }
    expect((await call(keysMeRevoke, services, { key: held.secret, json })).status).toBe(400)
  })
})
