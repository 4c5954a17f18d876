import { beforeEach, describe, expect, test } from 'vitest'
import { keysUsage } from '../../functions/keys-usage.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usagePoison } from '../../functions/usage-poison.ts'
import { usagePoisonReplay } from '../../functions/usage-poison-replay.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { type HeldKey, makeKey } from '../support/requests/callers.ts'

let services: FakeServices
let held: HeldKey

beforeEach(async () => {
  services = fakeServices()
  held = await makeKey(services)
})

/** Records a use from an address, and sets its message aside instead of counting it. */
async function setAsideUse(): Promise<string> {
  await call(keysValidate, services, {
    json: { key: held.secret, endpoint: 'GET /secret-path', client_ip: '192.0.2.7' },
  })
  const [{ body } = { body: '' }, ...others] = services.queue.held()
  const [message] = await services.queue.receive(1, 60)
  if (message !== undefined) await services.queue.remove(message)
  expect(others).toEqual([])
  const id = services.codec.parse(body).batchId
  const setAsideAt = services.clock.now()
  await services.poisoned.put({ id, reason: 'refused', detail: '1 uses: refused', setAsideAt, body })
  return id
}

describe('GET /auth/usage/poison', () => {
  test('200 shows reason, counts and ids of a message, and neither endpoint nor address nor secret', async () => {
    const id = await setAsideUse()
    const { body, text } = await call(usagePoison, services, {})
    expect(body).toEqual({
      items: [
        {
          id,
          reason: 'refused',
          detail: '1 uses: refused',
          set_aside_at: '2026-11-22T16:00:00.000Z',
          message: {
            made_at: '2026-11-22T16:00:00.000Z',
            redrives: 0,
            uses: 1,
            keys: 1,
            key_ids: [held.key.keyId],
            provider_ids: ['acme'],
            batch_id: null,
          },
        },
      ],
      next_cursor: null,
    })
    for (const hidden of ['secret-path', '192.0.2.7', held.secret]) expect(text).not.toContain(hidden)
  })

  test('200 shows a body that is no usage message by its reason only, and redacts a key in it', async () => {
    await services.consumer.wake(`{"v":1,"${held.secret}":1}`)
    const { body, text } = await call(usagePoison, services, {})
    expect(body.items).toMatchObject([
      { id: expect.stringMatching(/^unreadable\./), reason: 'unreadable', message: null },
    ])
    expect(text).not.toContain(held.secret)
  })

  test('pages, and refuses a cursor that is not its own', async () => {
    for (const body of ['a', 'b', 'c']) await services.consumer.wake(body)
    const first = await call(usagePoison, services, { query: { limit: '2' } })
    expect([first.body.items.length, typeof first.body.next_cursor]).toEqual([2, 'string'])
    const second = await call(usagePoison, services, { query: { limit: '2', cursor: first.body.next_cursor } })
    expect([second.body.items.length, second.body.next_cursor]).toEqual([1, null])
    const forged = await call(usagePoison, services, { query: { cursor: 'AAAA' } })
    expect([forged.status, forged.body.code]).toEqual([400, 'invalid_cursor'])
  })
})

describe('POST /auth/usage/poison/replay', () => {
  const uses = async () => {
    await services.consumer.drain()
    return (await call(keysUsage, services, { params: { token_id: held.key.keyId } })).body.totals.total
  }

  test('200 sends the named messages back, and each counts once', async () => {
    const id = await setAsideUse()
    const reply = await call(usagePoisonReplay, services, { json: { ids: [id, 'host.boot.99'] } })
    expect([reply.status, reply.body]).toEqual([200, { replayed: [id], missing: ['host.boot.99'], more: false }])
    expect(await uses()).toBe(1)
    expect(services.poisoned.held()).toEqual([])
  })

  test('200 sends all, at most 100 in one call, and says that there are more', async () => {
    for (let number = 0; number < 101; number++) await services.consumer.wake(`no message ${number}`)
    const replies = [{ json: { all: true } }, { json: { all: true } }]
    const first = await call(usagePoisonReplay, services, replies[0] ?? {})
    expect([first.body.replayed.length, first.body.more]).toEqual([100, true])
    const second = await call(usagePoisonReplay, services, replies[1] ?? {})
    expect([second.body.replayed.length, second.body.more]).toEqual([1, false])
  })

  test('400 for an id that holds a key, which the reply does not repeat', async () => {
    const { secret } = await makeKey(services)
    const { status, text } = await call(usagePoisonReplay, services, { json: { ids: [secret] } })
    expect(status).toBe(400)
    expect(text).not.toContain(secret)
  })

  test('400 for a body that names nothing, or both: empty is no instruction', async () => {
    const id = await setAsideUse()
    for (const json of [{}, { ids: [] }, { ids: [id], all: true }, { all: false }, { ids: ['no/id'] }]) {
      expect((await call(usagePoisonReplay, services, { json })).status).toBe(400)
    }
    expect(services.poisoned.held()).toHaveLength(1)
  })
})
