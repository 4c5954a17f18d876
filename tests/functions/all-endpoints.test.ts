import { beforeEach, describe, expect, test } from 'vitest'
import { managementScopes } from '../../shared/contracts/fields.ts'
import { AppError } from '../../shared/domain/errors.ts'
import { replyContracts } from '../support/contracts/reply-contracts.ts'
import { failingServices } from '../support/memory/failing-services.ts'
import { adminKey, type FakeServices } from '../support/memory/fake-services.ts'
import { loadEndpoints, loadFunctions } from '../support/requests/all-functions.ts'
import type { CallOptions, Endpoint } from '../support/requests/call.ts'
import { makeManager } from '../support/requests/callers.ts'
import { type SampleWorld, sampleCalls, sampleWorld, sendSample } from '../support/requests/sample-calls.ts'
import { wrongCredentials } from '../support/requests/wrong-credentials.ts'

const files = await loadFunctions()
const endpoints = await loadEndpoints()
const named = (chosen: (endpoint: Endpoint) => boolean) =>
  endpoints.filter(chosen).map((endpoint) => [endpoint.name, endpoint] as const)

const isPublic = ({ access }: Endpoint) => access === 'public'
const isForHolders = ({ access }: Endpoint) => access === 'holder' || access === 'possessor'
const isForOperators = ({ access }: Endpoint) => typeof access === 'object'
const isManaged = (endpoint: Endpoint) => !isPublic(endpoint) && !isForHolders(endpoint)
/** `metrics` reads no store: it must answer in an outage. */
const readsStores = (endpoint: Endpoint) => !isPublic(endpoint) && endpoint.name !== 'metrics'
const scopeOf = ({ access }: Endpoint) =>
  managementScopes.find((scope) => scope === (typeof access === 'object' ? access.operator : access))

let world: SampleWorld
let services: FakeServices

beforeEach(async () => {
  world = await sampleWorld()
  services = world.services
})

const send = (endpoint: Endpoint, change: CallOptions = {}) => sendSample({ ...world, services }, endpoint, change)

describe('the files of functions/', () => {
  test.each(files.map((file) => [file.file, file] as const))('%s declares one function, of that name', (name, file) => {
    expect(file.declared.map((declared) => declared.name)).toEqual([name])
  })

  test('have endpoints with a reply contract and a sample call each, and none is left of a removed endpoint', () => {
    const names = endpoints.map(({ name }) => name).toSorted()
    expect(names.length).toBeGreaterThan(15)
    expect(Object.keys(replyContracts).toSorted()).toEqual(names)
    expect(Object.keys(sampleCalls).toSorted()).toEqual(names)
  })

  test('honour an Idempotency-Key in every endpoint that changes, takes or counts something', () => {
    const changing = endpoints.filter(({ method }) => method !== 'GET')
    expect(changing.filter(({ idempotent }) => idempotent === undefined)).toEqual([])
  })
})

describe.each(named(() => true))('%s', (_, endpoint) => {
  test('2xx with its reply contract for an authorized caller', async () => {
    expect((await send(endpoint)).status).toBeLessThan(300)
  })

  test('echoes a well-formed X-Request-Id, and generates one otherwise', async () => {
    const echoed = await send(endpoint, { headers: { 'x-request-id': 'my-request-42' } })
    expect(echoed.headers['x-request-id']).toBe('my-request-42')
    const made = await send(endpoint, { headers: { 'x-request-id': 'no good' } })
    expect(made.headers['x-request-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
  })

  test('400 invalid_request names an unknown query parameter', async () => {
    const { status, body } = await send(endpoint, { query: { surprise: '1' } })
    expect([status, body.code]).toEqual([400, 'invalid_request'])
    expect(body.errors).toContainEqual({ pointer: '/surprise', detail: 'is not a field of this request' })
  })

  test('411 length_required, before anything else, for a body that the host did not pass on', async () => {
    for (const key of [undefined, null, 'wrong']) {
      const headers = { 'transfer-encoding': 'chunked', 'content-type': 'application/json' }
      const lost = { ...(key !== undefined && { key }), json: undefined, headers, query: { key: 'x' } }
      const { status, body } = await send(endpoint, lost)
      expect([status, body.code]).toEqual([411, 'length_required'])
    }
    if (endpoint.method === 'GET') return
    const { status } = await send(endpoint, { json: undefined, headers: { 'content-length': '19' } })
    expect(status).toBe(411)
  })

  test.each(['key', 'api_key', 'token', 'access_token'])('400 key_in_query for a key in ?%s=', async (name) => {
    const { status, body } = await send(endpoint, { query: { [name]: world.held.secret } })
    expect([status, body.code]).toEqual([400, 'key_in_query'])
  })

  test('400 key_in_query for a key under any other name, even to a caller without a credential', async () => {
    const { status, body } = await send(endpoint, { key: null, query: { note: `it is ${world.held.secret}` } })
    expect([status, body.code]).toEqual([400, 'key_in_query'])
  })
})

describe.each(named(isPublic))('%s, which is public,', (_, endpoint) => {
  test('200 without a credential, and with a wrong one', async () => {
    for (const key of [null, 'wrong']) expect((await send(endpoint, { key })).status).toBe(200)
  })
})

describe.each(named((endpoint) => !isPublic(endpoint)))('%s, which is not public,', (_, endpoint) => {
  test('401 is the same answer to every wrong credential and to none', async () => {
    const replies = []
    for (const options of await wrongCredentials(endpoint, services)) {
      const headers = { 'x-request-id': 'the-same-id', ...options.headers }
      replies.push(await send(endpoint, { ...options, headers }))
    }
    const answers = replies.map(({ status, headers, text }) => ({ status, headers, text }))
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(replies[0]).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    expect(replies.length).toBeGreaterThan(10)
  })

  test('401 comes before any check of the body', async () => {
    if (endpoint.method === 'GET') return
    for (const body of ['{', `{"surprise":1}`, 'x'.repeat(5_000_000)]) {
      expect((await send(endpoint, { key: 'wrong', body })).status).toBe(401)
    }
  })

  test.each(['Bearer', 'bearer ', 'BEARER'])('also takes its credential as a bearer token: %s', async (scheme) => {
    const { key = adminKey } = sampleCalls[endpoint.name]?.(world.held) ?? {}
    const headers = { authorization: `${scheme} ${key} ` }
    expect((await send(endpoint, { key: null, headers })).status).toBeLessThan(300)
  })

  test('503 misconfigured, without further detail, when a setting is wrong', async () => {
    const { status, headers, body, text } = await send(endpoint, { broken: new Error('KEY_PEPPERS=abc is wrong') })
    expect([status, body.code, headers['retry-after']]).toEqual([503, 'misconfigured', '5'])
    expect(text).not.toContain('abc')
  })
})

describe.each(named(readsStores))('%s, which reads a store,', (_, endpoint) => {
  test('503 when the store does not answer, with Retry-After and never a 401 or a verdict', async () => {
    services = failingServices(services, new AppError('store_unavailable', 'The tables do not answer.'))
    const { status, headers, body } = await send(endpoint)
    expect([status, body.code]).toEqual([503, 'store_unavailable'])
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  })

  test('500 internal hides the cause of an internal error, and logs it', async () => {
    services = failingServices(services, new TypeError('cannot read AccountKey=Zm9v'))
    const { status, body, text, logged } = await send(endpoint)
    expect([status, body.code]).toEqual([500, 'internal'])
    expect(text).not.toMatch(/Account|TypeError/)
    expect(logged.find(({ message }) => message === 'request')?.fields).toMatchObject({
      ...{ status: 500, code: 'internal', cause: expect.stringContaining('TypeError') },
    })
  })
})

describe.each(named(isManaged))('%s, which needs a scope,', (_, endpoint) => {
  test('403 to a management key that has every scope but this one, over all providers', async () => {
    const others = managementScopes.filter((scope) => scope !== scopeOf(endpoint))
    const { secret } = await makeManager(services, '*', others)
    const { status, body } = await send(endpoint, { key: secret })
    expect([status, body.code]).toEqual([403, 'forbidden'])
    expect(body.detail).toContain(scopeOf(endpoint))
  })

  test('2xx to a management key that has this scope and no other', async () => {
    const scope = scopeOf(endpoint)
    if (scope === undefined) throw new Error('no such scope')
    const { secret } = await makeManager(services, '*', [scope])
    expect((await send(endpoint, { key: secret })).status).toBeLessThan(300)
  })

  test('2xx to a management key of the provider itself, 403 on endpoints for operators', async () => {
    const { secret } = await makeManager(services, 'acme', managementScopes)
    const { status } = await send(endpoint, { key: secret })
    if (isForOperators(endpoint)) expect(status).toBe(403)
    else expect(status).toBeLessThan(300)
  })
})
