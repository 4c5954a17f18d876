import { beforeEach, describe, expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { managementScopes } from '../../shared/contracts/fields.ts'
import { everyProvider } from '../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../shared/domain/errors.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call, type Reply } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'

const SETTLED_MS = 15_000

let services: FakeServices
let root: HeldKey

beforeEach(async () => {
  services = fakeServices()
  root = await makeManager(services, 'acme', managementScopes)
})

/** What a caller with this key makes. */
async function make(by: HeldKey, kind: 'api' | 'management' = 'api'): Promise<HeldKey> {
  const policy = kind === 'api' ? { environment: 'live' } : { kind, scopes: managementScopes }
  const { body } = await call(keysGenerate, services, { key: by.secret, json: { name: 'Made', ...policy } })
  const found = await services.keys.findById(everyProvider, body.key_id)
  if (found === undefined) throw new Error(`not made: ${JSON.stringify(body)}`)
  return { key: found.value, secret: body.key }
}

const cascade = (json: object = {}, options: object = {}) =>
  call(keysRevoke, services, { params: { token_id: root.key.keyId }, json: { cascade: true, ...json }, ...options })

/** Repeats the call with its cursor, after the pause that the answer asks for, until nothing remains. */
async function cascadeAll(first: object = {}): Promise<Reply[]> {
  const replies = [await cascade(first)]
  for (let calls = 0; calls < 100; calls++) {
    const { body, headers } = replies.at(-1) as Reply
    if (body.cascade.next_cursor === null) return replies
    await services.time.advance(Number(headers['retry-after'] ?? 0) * 1000)
    replies.push(await cascade({ ...first, cascade_cursor: body.cascade.next_cursor }))
  }
  throw new Error('The cascade does not end.')
}

const revocationOf = async ({ key }: HeldKey) =>
  (await services.keys.findById(everyProvider, key.keyId))?.value.revocation ?? null
const revokedOf = async (keys: readonly HeldKey[]) =>
  (await Promise.all(keys.map(revocationOf))).map((one) => one !== null)

describe('revoke with cascade', () => {
  test('ends what the key made, transitively, in any order of creation, and nothing else', async () => {
    const child = await make(root, 'management')
    const grandchild = await make(child, 'management')
    const made = [child, grandchild, await make(root), await make(child), await make(grandchild)]
    const other = await makeManager(services, 'acme', managementScopes)
    const kept = [other, await make(other), await makeKey(services), await makeKey(services, { providerId: 'zeta' })]
    const replies = await cascadeAll({ reason: 'compromised', text: 'leaked' })
    expect(await revokedOf(made)).toEqual(made.map(() => true))
    expect(await revokedOf(kept)).toEqual(kept.map(() => false))
    expect(await revocationOf(grandchild)).toMatchObject({ reason: 'compromised', text: 'leaked', by: 'admin' })
    expect(replies.map(({ body }) => body.cascade.revoked)).toEqual([5, 0])
    const codes = await Promise.all(
      made
        .slice(2)
        .map(async ({ secret }) => (await call(keysValidate, services, { json: { key: secret } })).body.code),
    )
    expect(codes).toEqual(['REVOKED', 'REVOKED', 'REVOKED'])
  })

  test('ends only the key itself where it is not asked for', async () => {
    const child = await make(root, 'management')
    const { body } = await cascade({ cascade: false })
    expect([body.status, body.cascade, await revokedOf([child])]).toEqual(['revoked', undefined, [false]])
  })

  test('also ends what was made by a child that another instance still accepted after its revocation', async () => {
    const child = await make(root, 'management')
    const { body } = await cascade()
    expect(body.cascade).toMatchObject({ revoked: 1, next_cursor: expect.any(String) })
    await services.time.advance(9000)
    const late = await makeKey(services, { createdBy: child.key.keyId })
    const early = await cascade({ cascade_cursor: body.cascade.next_cursor })
    expect([early.body.cascade.revoked, early.headers['retry-after']]).toEqual([0, '6'])
    expect((await cascadeAll()).at(-1)?.body.cascade.next_cursor).toBeNull()
    expect(await revokedOf([late])).toEqual([true])
  })

  test('of a key that was revoked long ago is complete in one call', async () => {
    const child = await make(root)
    await cascade({ cascade: false })
    await services.time.advance(SETTLED_MS)
    const replies = await cascadeAll()
    expect(replies.map(({ body }) => body.cascade)).toMatchObject([{ revoked: 1, next_cursor: null }])
    expect(await revokedOf([child])).toEqual([true])
  })

  test('of thousands of keys ends in bounded calls, each of which goes on where the last one stopped', async () => {
    const made: HeldKey[] = []
    for (let count = 0; count < 2300; count++) {
      made.push(await makeKey(services, { createdBy: count % 2 === 0 ? root.key.keyId : 'admin' }))
    }
    const replies = await cascadeAll()
    for (const { body } of replies) expect(body.cascade.examined).toBeLessThanOrEqual(2000)
    expect(replies.reduce((sum, { body }) => sum + body.cascade.revoked, 0)).toBe(1150)
    expect(await revokedOf(made)).toEqual(made.map((_, index) => index % 2 === 0))
  })

  test('begun again without its cursor, as after a crash, does what is left', async () => {
    const made = [await make(root), await make(root)]
    const { replace } = services.keys
    let writes = 0
    services.keys.replace = async (key, version) => {
      if (++writes > 2) throw new AppError('store_unavailable', 'The tables do not answer.')
      return replace(key, version)
    }
    expect((await cascade()).status).toBe(503)
    services.keys.replace = replace
    await cascadeAll()
    expect(await revokedOf([root, ...made])).toEqual([true, true, true])
  })

  test('of a key over all providers reaches what it made in each', async () => {
    root = await makeManager(services, '*', managementScopes)
    const made = [
      await makeKey(services, { createdBy: root.key.keyId }),
      await makeKey(services, { createdBy: root.key.keyId, providerId: 'zeta' }),
      await makeKey(services, { createdBy: root.key.keyId, providerId: '*', kind: 'management', environment: null }),
    ]
    await cascadeAll()
    expect(await revokedOf(made)).toEqual([true, true, true])
  })

  test('of an API key, which makes none, is complete at once', async () => {
    root = await makeKey(services)
    expect((await cascade()).body.cascade).toEqual({ revoked: 0, examined: 0, next_cursor: null })
  })

  test('403, before anything is done, to the key itself and to what it made: the cascade would end them midway', async () => {
    const child = await make(root, 'management')
    for (const { secret } of [root, child]) {
      const { status, body } = await cascade({}, { key: secret })
      expect([status, body.code]).toEqual([403, 'forbidden'])
    }
    expect(await revokedOf([root, child])).toEqual([false, false])
  })

  test('202 while the store is down, with a cursor for what the key made', async () => {
    const child = await make(root, 'management')
    const { findById } = services.keys
    services.keys.findById = async () => {
      throw new AppError('store_unavailable', 'The tables do not answer.')
    }
    const { status, body } = await cascade()
    expect([status, body.status, body.cascade.revoked]).toEqual([202, 'pending', 0])
    services.keys.findById = findById
    expect((await cascade({ cascade_cursor: body.cascade.next_cursor })).body.cascade.revoked).toBe(1)
    expect(await revokedOf([root, child])).toEqual([true, true])
  })

  test('400 for a cursor of another key, an altered one, or one without cascade', async () => {
    await make(root, 'management')
    const { next_cursor } = (await cascade()).body.cascade
    expect((await cascade({ cascade_cursor: `${next_cursor}x` })).body.code).toBe('invalid_cursor')
    expect((await cascade({ cascade: false, cascade_cursor: next_cursor })).body.errors).toMatchObject([
      { pointer: '#/cascade_cursor' },
    ])
    root = await makeManager(services, 'acme', managementScopes)
    expect((await cascade({ cascade_cursor: next_cursor })).body.code).toBe('invalid_cursor')
  })
})
