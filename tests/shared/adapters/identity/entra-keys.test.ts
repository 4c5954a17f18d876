import type { RequestListener } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type EntraKeys, entraKeys } from '../../../../shared/adapters/identity/entra-keys.ts'
import { type ManualTime, manualTime } from '../../../support/memory/manual-time.ts'
import { type KeySetServer, startKeySetServer } from '../../../support/requests/key-set-server.ts'
import {
  jwkOf,
  key,
  keySet,
  nextKey,
  otherTenant,
  otherTenantsKey,
  tenant,
} from '../../../support/requests/token-issuer.ts'
import { poll } from '../../../support/samples/poll.ts'

const HOUR_MS = 60 * 60 * 1000
const unavailable = { code: 'identity_unavailable' }

let server: KeySetServer
let time: ManualTime
let keys: EntraKeys
let logged: string[]
let asked: number

beforeAll(async () => {
  server = await startKeySetServer()
})

afterAll(() => server.stop())

beforeEach(() => {
  server.answer = undefined
  server.published.set(tenant, keySet).set(otherTenant, [jwkOf(otherTenantsKey)])
  time = manualTime()
  logged = []
  keys = entraKeys({
    clock: time.clock,
    scheduler: time.scheduler,
    log: (level, message, fields) => logged.push(`${level} ${message} ${JSON.stringify(fields)}`),
    addressOf: server.addressOf,
  })
  asked = server.asked.length
})

const reads = () => server.asked.length - asked
const find = (kid = key.kid, of = tenant) => keys.find(of, kid)
const answerWith = (status: number, body: string, headers: Record<string, string> = {}): RequestListener => {
  return (_, response) => {
    response.writeHead(status, { connection: 'close', ...headers })
    response.end(body)
  }
}

describe('the keys of a tenant', () => {
  test('are read once, however many tokens wait for them, and not before the first', async () => {
    expect(reads()).toBe(0)
    const found = await Promise.all(Array.from({ length: 20 }, () => find()))
    expect(found.every((one) => one?.equals(key.publicKey))).toBe(true)
    await find()
    expect(reads()).toBe(1)
  })

  test('are those of that tenant alone', async () => {
    expect(await find(otherTenantsKey.kid, tenant)).toBeUndefined()
    expect(await find(otherTenantsKey.kid, otherTenant)).toBeDefined()
    expect(await find(key.kid, otherTenant)).toBeUndefined()
  })

  test('are read again for an unknown id, but not more than once in 30 s, whatever callers send', async () => {
    await find()
    for (let index = 0; index < 100; index++) expect(await find(`unknown-${index}`)).toBeUndefined()
    expect(reads()).toBe(1)
    server.published.set(tenant, [jwkOf(key), jwkOf(nextKey)])
    await time.advance(29_999)
    expect(await find(nextKey.kid)).toBeUndefined()
    await time.advance(1)
    expect(await find(nextKey.kid)).toBeDefined()
    expect(reads()).toBe(2)
  })

  test('are refreshed after an hour without delaying a caller: a key that Entra ID withdrew ends', async () => {
    await find()
    server.published.set(tenant, [jwkOf(nextKey)])
    await time.advance(HOUR_MS)
    expect(await find()).toBeDefined()
    await poll(async () => (await find()) === undefined)
    expect(await find(nextKey.kid)).toBeDefined()
    expect(reads()).toBe(2)
  })

  test('are used stale-if-error for 24 h, and no longer', async () => {
    await find()
    server.answer = answerWith(500, '')
    await time.advance(24 * HOUR_MS - 1)
    expect(await find()).toBeDefined()
    await poll(() => logged.length === 1)
    await time.advance(1)
    await expect(find()).rejects.toMatchObject(unavailable)
    server.answer = undefined
    await time.advance(30_000)
    expect(await find()).toBeDefined()
  })

  test('that are unavailable are never taken for an unknown id, also when an outage hits the lookup of another key', async () => {
    await find()
    server.answer = answerWith(503, '')
    await time.advance(30_000)
    await expect(find(nextKey.kid)).rejects.toMatchObject(unavailable)
    await expect(find(nextKey.kid)).rejects.toMatchObject(unavailable)
    expect(await find()).toBeDefined()
    expect(reads()).toBe(2)
  })
})

describe('a key set is rejected, with a line in the log, where it', () => {
  test.each<[string, RequestListener]>([
    ['is an error', answerWith(500, JSON.stringify({ keys: keySet }))],
    ['is not there', answerWith(404, JSON.stringify({ keys: keySet }))],
    ['is a redirect', answerWith(302, '', { location: `/${tenant}` })],
    ['is no JSON', answerWith(200, '<html>')],
    ['has no keys', answerWith(200, '{}')],
    ['has no key to verify with', answerWith(200, '{"keys":[]}')],
    ['is too large', answerWith(200, JSON.stringify({ keys: keySet, padding: 'x'.repeat(300_000) }))],
    [
      'breaks off',
      (request, response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"keys":', () => request.destroy())
      },
    ],
    ['is refused', (request) => request.destroy()],
  ])('%s', async (_, answer) => {
    server.answer = answer
    await expect(find()).rejects.toMatchObject(unavailable)
    expect(reads()).toBe(1)
    expect(logged).toEqual([expect.stringMatching(/^warn the signing keys .*"tenantId":"11111111/)])
  })

  test.each<[string, RequestListener]>([
    ['never comes', () => undefined],
    ['comes drop by drop', (_, response) => response.writeHead(200).write('{')],
  ])('%s: it times out after 3 s', async (_, answer) => {
    server.answer = answer
    const found = find().catch((error) => error)
    await poll(() => reads() === 1)
    await time.advance(3000)
    expect(await found).toMatchObject(unavailable)
    expect(time.scheduled()).toBe(0)
  })
})
