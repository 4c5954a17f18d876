import { beforeEach, describe, expect, test } from 'vitest'
import { keysGet } from '../../functions/keys-get.ts'
import { keysMeRevoke } from '../../functions/keys-me-revoke.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysRevokePending } from '../../functions/keys-revoke-pending.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { everyProvider } from '../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../shared/domain/errors.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'
import { keyLookupElsewhere } from '../support/worlds/key-lookup-elsewhere.ts'

let down: boolean
/** Whether the idempotency store answers while the other stores are down. */
let idempotencyIsUp: boolean
let queueIsDown: boolean
/** Whether this instance has no place for an append to the feed. */
let feedIsFull: boolean
let services: FakeServices
let cached: HeldKey

beforeEach(async () => {
  down = false
  refusal = 'store_unavailable'
  idempotencyIsUp = false
  queueIsDown = false
  feedIsFull = false
  services = fakeServices(({ keys, providers, idempotency, keyEvents, feed }) => ({
    keys: unlessDown(keys),
    providers: unlessDown(providers),
    idempotency: unlessDown(idempotency, () => idempotencyIsUp),
    feed: {
      ...feed,
      append: (...entry) =>
        feedIsFull ? Promise.reject(new AppError('overloaded', 'No place.')) : feed.append(...entry),
    },
    keyEvents: {
      ...keyEvents,
      send: (...sent) => (queueIsDown ? Promise.reject(new Error('No reply.')) : keyEvents.send(...sent)),
    },
  }))
  cached = await makeKey(services)
  expect(await codeOf(cached)).toBe('VALID')
})

function unlessDown<Port extends object>(port: Port, isExempt = () => false): Port {
  return new Proxy(port, {
    get: (target, name) => {
      const method = Reflect.get(target, name) as (...args: readonly unknown[]) => unknown
      return (...args: readonly unknown[]) =>
        down && !isExempt() ? Promise.reject(outage()) : method.apply(target, [...args])
    },
  })
}

let refusal: 'store_unavailable' | 'overloaded'
const outage = () => new AppError(refusal, 'The store does not answer.')
/** Delivers every message of `key-events` once, as the host does. */
const consumePending = async () => {
  for (const message of await services.keyEvents.receive(32, 60)) {
    await keysRevokePending.run(
      message.body,
      () => services,
      () => undefined,
    )
    await services.keyEvents.remove(message)
  }
}
const revoke = (keyId: string, options: object = {}) =>
  call(keysRevoke, services, { params: { token_id: keyId }, json: { reason: 'compromised' }, ...options })
const codeOf = async ({ secret }: HeldKey) => (await call(keysValidate, services, { json: { key: secret } })).body.code
const revocationOf = async ({ key }: HeldKey) => {
  const { body } = await call(keysGet, services, { params: { token_id: key.keyId } })
  return [body.revoked_at, body.revoked_by, body.revoked_reason, body.replaced_by]
}

describe('POST /auth/keys/{token_id}/revoke while the store is down', () => {
  test('202 for a key cached here: in force here at once, and everywhere once the store is back', async () => {
    const at = services.clock.now().toISOString()
    const replacedBy = '01K00000000000000000000099'
    down = true
    const { status, body } = await revoke(cached.key.keyId, {
      json: { reason: 'compromised', replaced_by: replacedBy },
    })
    expect(status).toBe(202)
    expect(body).toEqual({
      ...{ key_id: cached.key.keyId, provider_id: 'acme', status: 'pending', revoked_at: at },
      ...{ revoked_reason: 'compromised', revoked_text: null, revoked_by: 'admin', replaced_by: replacedBy },
    })
    expect(await codeOf(cached)).toBe('REVOKED')
    expect(services.localSpool.state()?.pendingRevocations).toBe(1)

    await services.time.advance(60_000)
    down = false
    await services.time.advance(5000)
    expect(await revocationOf(cached)).toEqual([at, 'admin', 'compromised', replacedBy])
    expect(services.localSpool.state()?.pendingRevocations).toBe(0)
  })

  test('202 again for the same key, with the first revocation', async () => {
    down = true
    const first = await revoke(cached.key.keyId)
    await services.time.advance(1000)
    const second = await revoke(cached.key.keyId, { json: { reason: 'policy' } })
    expect([second.status, second.body]).toEqual([202, first.body])
  })

  test('a revocation that the store already has prevails', async () => {
    down = true
    await revoke(cached.key.keyId)
    down = false
    const found = await services.keys.findById(everyProvider, cached.key.keyId)
    if (found === undefined) throw new Error('it is there')
    const elsewhere = { at: new Date('2026-11-22T15:00:00.000Z'), by: 'other', reason: 'policy', text: null } as const
    await services.keys.replace({ ...found.value, revocation: elsewhere }, found.version)
    await services.time.advance(60_000)
    expect(await revocationOf(cached)).toEqual([elsewhere.at.toISOString(), 'other', 'policy', null])
  })

  test('202 comes after the queue has the revocation: without a disk, another instance carries it out', async () => {
    const pendingRevocations = {
      put: () => {
        throw new Error('The disk failed.')
      },
    }
    const lost = { ...services, pendingRevocations }
    const at = services.clock.now().toISOString()
    down = true
    const { status } = await call(keysRevoke, lost, {
      params: { token_id: cached.key.keyId },
      json: { reason: 'compromised', text: 'leaked' },
    })
    expect([status, await services.keyEvents.depth()]).toEqual([202, 1])
    expect(await codeOf(cached)).toBe('REVOKED')
    await services.time.advance(10 * 60_000)
    down = false
    await consumePending()
    expect(await revocationOf(cached)).toEqual([at, 'admin', 'compromised', null])
  })

  test('202 for a key that is not cached here, and the same for another provider’s or a missing one', async () => {
    const unknown = await makeKey(services)
    const stranger = await makeManager(services, 'other', ['keys:revoke'])
    const [key, missing] = [stranger.secret, services.random.id()]
    expect((await revoke(cached.key.keyId, { key })).status).toBe(404)
    down = true
    const replies: Awaited<ReturnType<typeof revoke>>[] = []
    for (const keyId of [unknown.key.keyId, cached.key.keyId, missing]) replies.push(await revoke(keyId, { key }))
    expect(replies.map(({ status, body }) => [status, { ...body, key_id: '' }])).toEqual(
      Array.from({ length: 3 }, () => [202, { ...replies[0]?.body, key_id: '' }]),
    )
    expect(replies[0]?.body).toMatchObject({ provider_id: 'other', status: 'pending' })
    expect((await revoke(unknown.key.keyId)).body).toMatchObject({ provider_id: null, revoked_by: 'admin' })
    down = false
    expect(await codeOf(cached)).toBe('VALID')
    await consumePending()
    // The caller’s providers bound its revocations, also when they are carried out.
    expect([await codeOf(unknown), await codeOf(cached)]).toEqual(['REVOKED', 'VALID'])
    expect((await revocationOf(unknown))[1]).toBe('admin')
  })

  test.each([false, true])(
    '202 with an Idempotency-Key, and the final answer under the same one afterwards',
    async (isUp) => {
      const headers = { 'idempotency-key': 'once' }
      idempotencyIsUp = isUp
      down = true
      expect((await revoke(cached.key.keyId, { headers })).status).toBe(202)
      down = false
      await services.time.advance(60_000)
      expect((await revoke(cached.key.keyId, { headers })).body.status).toBe('revoked')
    },
  )

  test('503 revocation_not_durable where the queue is down too: dead here, on the disk, and replayed', async () => {
    const unknown = await makeKey(services)
    down = true
    queueIsDown = true
    const { status, headers, body } = await revoke(cached.key.keyId)
    expect([status, body.code, headers['retry-after']]).toEqual([503, 'revocation_not_durable', '1'])
    expect(body.detail).toContain('this instance only')
    expect(await codeOf(cached)).toBe('REVOKED')
    expect(services.localSpool.state()?.pendingRevocations).toBe(1)
    const unseen = await revoke(unknown.key.keyId)
    expect([unseen.status, unseen.body.code]).toEqual([503, 'store_unavailable'])

    queueIsDown = false
    expect((await revoke(cached.key.keyId)).status).toBe(202)
    down = false
    await services.time.advance(60_000)
    expect((await revocationOf(cached))[1]).toBe('admin')
  })

  test('503 revocation_not_durable frees no Idempotency-Key: the call had an effect, and its retry runs again', async () => {
    const headers = { 'idempotency-key': 'once' }
    idempotencyIsUp = true
    down = true
    queueIsDown = true
    expect((await revoke(cached.key.keyId, { headers })).status).toBe(503)
    queueIsDown = false
    expect((await revoke(cached.key.keyId, { headers })).status).toBe(202)
  })
})

test('POST /auth/keys/me/revoke while the store is down: 202, without fields that the holder may not see', async () => {
  down = true
  const { status, body } = await call(keysMeRevoke, services, { key: cached.secret, json: {} })
  expect(status).toBe(202)
  expect(Object.keys(body).sort()).toEqual(['key_id', 'revoked_at', 'revoked_reason', 'revoked_text', 'status'])
  expect(await codeOf(cached)).toBe('REVOKED')
  down = false
  await services.time.advance(60_000)
  expect((await revocationOf(cached))[1]).toBe(cached.key.keyId)
})

describe('a revocation that this instance has no place for', () => {
  test('202 where only the announcement was refused: the row has it, and the message announces it', async () => {
    const elsewhere = keyLookupElsewhere(services)
    expect((await elsewhere.find(cached.secret, false)).value?.revocation).toBeNull()
    feedIsFull = true
    expect((await revoke(cached.key.keyId)).status).toBe(202)
    feedIsFull = false
    await consumePending()
    await services.time.advance(10_000)
    expect((await elsewhere.find(cached.secret, false)).value?.revocation).toMatchObject({ reason: 'compromised' })
  })

  test('503 overloaded with Retry-After, and never pending: the store answers', async () => {
    down = true
    refusal = 'overloaded'
    const { status, body, headers } = await revoke(cached.key.keyId)
    expect([status, body.code]).toEqual([503, 'overloaded'])
    expect(headers['retry-after']).toBeDefined()
    expect(services.localSpool.state()?.pendingRevocations).toBe(0)
    down = false
    expect(await codeOf(cached)).toBe('VALID')
    expect((await revoke(cached.key.keyId)).status).toBe(200)
  })
})
