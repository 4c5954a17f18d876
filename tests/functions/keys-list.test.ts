import { beforeEach, describe, expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysList } from '../../functions/keys-list.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { makeKey, makeManager } from '../support/requests/callers.ts'

let services: FakeServices

beforeEach(async () => {
  services = fakeServices()
  for (let index = 0; index < 7; index++) {
    await makeKey(services, { name: `Key ${index}`, ownerId: index % 2 === 0 ? 'ann' : 'bob', scopes: ['orders:*'] })
    await makeKey(services, { name: `Other ${index}`, providerId: 'zeta' })
    await services.time.advance(1)
  }
})

const list = (query: Record<string, string>) => call(keysList, services, { query: { provider_id: 'acme', ...query } })
const namesIn = (body: { items: { name: string }[] }) => body.items.map(({ name }) => name)

describe('GET /auth/keys', () => {
  test('200 gives every key of the provider exactly once over its pages, newest first', async () => {
    const names: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { body } = await list({ limit: '3', ...(cursor !== '' && { cursor }) })
      names.push(...namesIn(body))
      cursor = body.next_cursor
    }
    expect(names).toEqual([6, 5, 4, 3, 2, 1, 0].map((index) => `Key ${index}`))
  })

  test('200 shows a provider’s manager its own keys, with or without provider_id', async () => {
    const { secret } = await makeManager(services, 'acme', ['keys:read'])
    const own = await call(keysList, services, { key: secret, query: { name: 'key' } })
    const named = await call(keysList, services, { key: secret, query: { name: 'key', provider_id: 'acme' } })
    expect(namesIn(own.body)).toHaveLength(7)
    expect(named.body).toEqual(own.body)
  })

  test('200 lists what each filter asks for', async () => {
    expect(namesIn((await list({ owner_id: 'bob' })).body)).toEqual(['Key 5', 'Key 3', 'Key 1'])
    expect(namesIn((await list({ name: 'key 3' })).body)).toEqual(['Key 3'])
    expect(namesIn((await list({ scope: 'orders:read' })).body)).toHaveLength(7)
    expect(namesIn((await list({ scope: 'users:read' })).body)).toEqual([])
    expect(namesIn((await list({ environment: 'test' })).body)).toEqual([])
    expect(namesIn((await list({ status: 'revoked' })).body)).toEqual([])
  })

  test('200 lists what one caller made: the admin, or a management key', async () => {
    const { key, secret } = await makeManager(services, 'acme', ['keys:write'])
    await call(keysGenerate, services, { key: secret, json: { environment: 'live', name: 'Made' } })
    expect(namesIn((await list({ created_by: key.keyId })).body)).toEqual(['Made'])
    expect(namesIn((await list({ created_by: 'admin', name: 'key' })).body)).toHaveLength(7)
    const { next_cursor: cursor } = (await list({ created_by: 'admin', limit: '2' })).body
    expect((await list({ created_by: key.keyId, cursor })).status).toBe(400)
  })

  test('200 lists the keys over all providers to an operator, and to no one else', async () => {
    const { key } = await makeManager(services, '*', ['keys:read'])
    const manager = await makeManager(services, 'acme', ['keys:read'])
    expect((await list({ provider_id: '*' })).body.items).toMatchObject([{ key_id: key.keyId, provider_id: '*' }])
    const others = await call(keysList, services, { key: manager.secret, query: { provider_id: '*' } })
    expect([others.status, others.body.code]).toEqual([404, 'provider_not_found'])
  })

  test('200 shows when each key was last used', async () => {
    const { body } = await list({ limit: '1' })
    expect(body.items[0].last_used_at).toBeNull()
  })

  test('400 invalid_cursor for a cursor that was altered, cut, or made with other filters or for another provider', async () => {
    const { next_cursor: cursor } = (await list({ limit: '2', owner_id: 'ann' })).body
    const changed = cursor.slice(0, -1) + (cursor.endsWith('A') ? 'B' : 'A')
    const wrong = [
      ...[{ owner_id: 'ann', cursor: changed }, { owner_id: 'ann', cursor: cursor.slice(1) }, { cursor }],
      ...[
        { owner_id: 'bob', cursor },
        { owner_id: 'ann', status: 'active', cursor },
        { owner_id: 'ann', cursor: '' },
      ],
      { owner_id: 'ann', provider_id: 'zeta', cursor },
    ]
    for (const query of wrong) {
      const { status, body } = await list(query)
      expect([status, body.code]).toEqual([400, 'invalid_cursor'])
    }
    expect((await list({ limit: '5', owner_id: 'ann', cursor })).status).toBe(200)
  })

  test.each([
    ['limit', ['0', '101', '-1', '1.5', 'x', '']],
    ['environment', ['prod', '']],
    ['status', ['gone']],
    ['scope', ['a b', '']],
    ['provider_id', ['ACME', '**', '']],
    ['created_by', ['', 'x'.repeat(256)]],
    ['name', ['', 'x'.repeat(129)]],
    ['cursor', ['A'.repeat(2049)]],
  ])('400 for a wrong %s', async (name, values) => {
    for (const value of values) {
      const { status, body } = await list({ [name]: value })
      expect([value, status, body.errors?.[0]?.pointer]).toEqual([value, 400, `/${name}`])
    }
  })

  test('400 tells an operator to name a provider', async () => {
    const { status, body } = await call(keysList, services)
    expect([status, body.errors[0].pointer]).toEqual([400, '/provider_id'])
  })
})
