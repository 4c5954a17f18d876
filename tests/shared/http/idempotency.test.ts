import { beforeEach, describe, expect, test } from 'vitest'
import { keysGenerate } from '../../../functions/keys-generate.ts'
import { keysList } from '../../../functions/keys-list.ts'
import { keysPatch } from '../../../functions/keys-patch.ts'
import { keysRotate } from '../../../functions/keys-rotate.ts'
import { AppError } from '../../../shared/domain/errors.ts'
import { type FakeServices, fakeServices } from '../../support/memory/fake-services.ts'
import { call } from '../../support/requests/call.ts'
import { makeKey, makeManager } from '../../support/requests/callers.ts'

const json = { provider_id: 'acme', environment: 'live', name: 'App' }
const headers = { 'idempotency-key': 'order 42' }
const down = () => Promise.reject(new AppError('store_unavailable', 'The tables do not answer.'))

let services: FakeServices

beforeEach(() => {
  services = fakeServices()
})

const generate = (change = {}) => call(keysGenerate, services, { json, headers, ...change })
const countKeys = async () =>
  (await call(keysList, services, { query: { provider_id: 'acme' } })).body.items.filter(
    ({ kind }: { kind: string }) => kind === 'api',
  ).length

describe('a call under an Idempotency-Key', () => {
  test('is replayed with the first answer, without the secret, and marked as such; nothing runs twice', async () => {
    const first = await generate()
    await services.time.advance(23 * 3_600_000)
    const replay = await generate()
    expect(replay.body).toEqual({ ...first.body, key: null })
    expect([replay.status, replay.headers.location]).toEqual([first.status, first.headers.location])
    expect([first.headers['idempotency-replayed'], replay.headers['idempotency-replayed']]).toEqual([undefined, 'true'])
    expect(await countKeys()).toBe(1)
  })

  test('is stored without its secret', async () => {
    const { body } = await generate()
    const stored = JSON.stringify(await Promise.all([services.idempotency.find('admin', await digestOf('order 42'))]))
    expect(stored).toContain(body.key_id)
    expect(stored).not.toContain(body.key.slice('permas_live_'.length, -10))
    expect(stored).not.toContain('order 42')
  })

  test('is new after 24 h', async () => {
    const first = await generate()
    await services.time.advance(24 * 3_600_000)
    expect((await generate()).body.key_id).not.toBe(first.body.key_id)
  })

  test('409 idempotency_key_reused for another body, another path and another endpoint', async () => {
    await generate()
    const other = await generate({ json: { ...json, name: 'Other' } })
    const { key } = await makeKey(services)
    const elsewhere = await call(keysPatch, services, { params: { token_id: key.keyId }, json, headers })
    expect(other.body.code).toBe('idempotency_key_reused')
    expect(elsewhere.status).toBe(400)
    const patched = await call(keysPatch, services, { params: { token_id: key.keyId }, json: { name: 'x' }, headers })
    expect([patched.status, patched.body.code]).toEqual([409, 'idempotency_key_reused'])
  })

  test('409 idempotency_in_progress, with Retry-After, while the first is in progress', async () => {
    const gate = Promise.withResolvers<void>()
    services = fakeServices(({ keys }) => ({
      keys: {
        ...keys,
        create: async (key) => {
          await gate.promise
          return keys.create(key)
        },
      },
    }))
    const first = generate()
    const second = await generate()
    expect([second.status, second.body.code, second.headers['retry-after']]).toEqual([
      409,
      'idempotency_in_progress',
      '1',
    ])
    gate.resolve()
    expect((await first).status).toBe(201)
    expect((await generate()).headers['idempotency-replayed']).toBe('true')
  })

  test('is scoped to its caller: another caller’s same key is another call', async () => {
    const mine = await generate()
    const { secret } = await makeManager(services, 'acme', ['keys:write'])
    const theirs = await generate({ key: secret })
    expect([theirs.status, theirs.headers['idempotency-replayed']]).toEqual([201, undefined])
    expect(theirs.body.key_id).not.toBe(mine.body.key_id)
  })
})

describe('a call that was refused', () => {
  test('releases its Idempotency-Key: corrected, it may be sent under the same one', async () => {
    expect((await generate({ json: { ...json, expires_at: '2020-01-01T00:00:00Z' } })).status).toBe(400)
    expect((await generate()).status).toBe(201)
  })
})

describe('a call that failed midway', () => {
  test('is resumed under the same Idempotency-Key, and creates no second key', async () => {
    const { create } = services.keys
    services.keys.create = async (key) => {
      await create(key)
      return down()
    }
    expect((await generate()).status).toBe(503)
    services.keys.create = create
    const second = await generate()
    expect([second.status, second.body.key]).toEqual([201, null])
    expect(await countKeys()).toBe(1)
    expect((await generate()).body).toEqual(second.body)
  })

  test('before any effect runs in full on the retry, which has the secret', async () => {
    const { create } = services.keys
    services.keys.create = down
    expect((await generate()).status).toBe(503)
    services.keys.create = create
    expect((await generate()).body.key).toMatch(/^permas_live_/)
    expect(await countKeys()).toBe(1)
  })

  test('of a rotation is completed by the retry: one successor, and no third key', async () => {
    const { key } = await makeKey(services)
    const rotate = () =>
      call(keysRotate, services, { params: { token_id: key.keyId }, json: { grace_period_seconds: 0 }, headers })
    const { replace } = services.keys
    services.keys.replace = down
    expect((await rotate()).status).toBe(503)
    services.keys.replace = replace
    const second = await rotate()
    expect([second.status, second.body.rotated_from]).toEqual([201, key.keyId])
    expect(await countKeys()).toBe(2)
  })
})

test('a generated secret reaches its caller even when the answer cannot be stored for a replay', async () => {
  const { replace } = services.idempotency
  services.idempotency.replace = down
  const { status, body, logged } = await generate()
  expect([status, body.key]).toEqual([201, expect.stringMatching(/^permas_live_/)])
  expect(logged.map(({ level, message }) => [level, message])).toContainEqual([
    'error',
    'the answer could not be kept for a replay',
  ])
  services.idempotency.replace = replace
  expect((await generate()).body.code).toBe('idempotency_in_progress')
  await services.time.advance(60_000)
  expect((await generate()).body).toMatchObject({ key: null, key_id: body.key_id })
  expect(await countKeys()).toBe(1)
})

test('without an Idempotency-Key every call runs', async () => {
  const [one, two] = [await generate({ headers: {} }), await generate({ headers: {} })]
  expect(one.body.key_id).not.toBe(two.body.key_id)
})

async function digestOf(text: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('hex')
}
