import { describe, expect, test } from 'vitest'
import { keysList } from '../../functions/keys-list.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usagePush } from '../../functions/usage-push.ts'
import { managementScopes } from '../../shared/contracts/fields.ts'
import { everyProvider } from '../../shared/domain/access/provider-scope.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { loadEndpoints } from '../support/requests/all-functions.ts'
import { type CallOptions, call, type Endpoint } from '../support/requests/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/requests/callers.ts'
import {
  type Expected,
  holderCallers,
  type MatrixCaller,
  matrixCallers,
  matrixTokens,
} from '../support/requests/matrix-callers.ts'
import { furtherNamings, type Names, type Naming, namings } from '../support/requests/matrix-namings.ts'
import { revokedIdOf, sampleCalls, sampleWorld, stateOf } from '../support/requests/sample-calls.ts'

const endpoints = await loadEndpoints()
const missingId = '01K99999999999999999999999'

/** A provider `acme` with a key and a batch, and the credentials of a caller. */
interface Scenario {
  readonly services: FakeServices
  /** Of `acme`. */
  readonly theirs: HeldKey
  readonly presented: CallOptions
  /** The stored state of `acme` before the call. */
  readonly before: unknown
}

async function setUp(endpoint: Endpoint, caller: MatrixCaller): Promise<Scenario> {
  const { services, held: theirs } = await sampleWorld({ ...fakeServices(), tokens: matrixTokens })
  const presented = await caller.present(services, isForHolders(endpoint) ? 'keys:read' : scopeOf(endpoint))
  return { services, theirs, presented, before: await stateOf(services, theirs) }
}

const isPublic = ({ access }: Endpoint) => access === 'public'
const isForHolders = ({ access }: Endpoint) => access === 'holder' || access === 'possessor'
const isForOperators = ({ access }: Endpoint) => typeof access === 'object'
const endpointOf = (name: string) => {
  const endpoint = endpoints.find((one) => one.name === name)
  if (endpoint === undefined) throw new Error(`no ${name}`)
  return endpoint
}
const scopeOf = ({ access }: Endpoint) => {
  const scope = managementScopes.find((one) => one === (typeof access === 'object' ? access.operator : access))
  if (scope === undefined) throw new Error('no such scope')
  return scope
}

interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

async function ask({ services, presented }: Scenario, endpoint: Endpoint, options: CallOptions): Promise<Reply> {
  const headers = { ...options.headers, ...presented.headers, 'x-request-id': 'the-same-id' }
  const { status, headers: answered, text } = await call(endpoint, services, { ...options, ...presented, headers })
  return { status, headers: answered, text }
}

/**
 * Calls about an existing resource and, in an identical scenario, about a missing one. Expects the same answer, without
 * leak or effect. Returns the answer.
 */
async function probe(endpoint: Endpoint, caller: MatrixCaller, naming: Naming): Promise<Reply> {
  const [scenario, twin] = [await setUp(endpoint, caller), await setUp(endpoint, caller)]
  const existing = await ask(scenario, endpoint, naming(theirNames(scenario)))
  expect(await ask(twin, endpoint, naming(absentNames(scenario.theirs.secret)))).toEqual(existing)
  expectNoLeak(existing, scenario)
  expect(await stateOf(scenario.services, scenario.theirs)).toEqual(scenario.before)
  return existing
}

const theirNames = ({ theirs }: Scenario): Names => {
  const { key, secret } = theirs
  const revokedKeyId = revokedIdOf(theirs)
  return { keyId: key.keyId, revokedKeyId, secret, providerId: 'acme', batchId: 'batch-0001' }
}
/** The secret is another scenario's: unknown in the one under test. */
const absentNames = (secret: string): Names => {
  return { keyId: missingId, revokedKeyId: missingId, secret, providerId: 'none', batchId: 'batch-0002' }
}

const callersWith = (expected: Expected) =>
  Object.entries(matrixCallers).filter(([, caller]) => caller.expected === expected)

/** Whether a reply says that the resource does not exist; for validate that is a verdict. */
function saysMissing({ status, text }: Reply): boolean {
  return status === 404 || (status === 200 && /"code":"NOT_FOUND"/.test(text) && !/"valid":true/.test(text))
}

test('every route is in the matrix: it names a resource, or is for operators, for holders, or public', () => {
  const named = endpoints.filter((one) => !isPublic(one) && !isForHolders(one) && !isForOperators(one))
  expect(named.map(({ name }) => name).toSorted()).toEqual(Object.keys(namings).toSorted())
  expect(
    endpoints
      .filter(isForHolders)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(['keys-me', 'keys-me-revoke'])
  expect(endpoints.filter(isForOperators).length).toBeGreaterThan(0)
  expect(
    endpoints
      .filter(isPublic)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(['health', 'health-ready'])
})

describe.each(Object.keys(namings))('%s, about a resource of acme,', (name) => {
  const endpoint = endpointOf(name)
  const ways = namings[name] ?? []

  test.each(callersWith('allowed'))('is answered to %s', async (_, caller) => {
    for (const naming of ways) {
      const scenario = await setUp(endpoint, caller)
      const reply = await ask(scenario, endpoint, naming(theirNames(scenario)))
      expect([reply.status < 300, saysMissing(reply)]).toEqual([true, false])
    }
  })

  test.each(callersWith('missing'))('is indistinguishable from a missing one to %s', async (_, caller) => {
    for (const naming of ways) expect(await probe(endpoint, caller, naming)).toSatisfy(saysMissing)
  })

  test.each([...callersWith('forbidden'), ...callersWith('unauthenticated')])('refuses %s', async (_, caller) => {
    const expected = caller.expected === 'forbidden' ? 403 : 401
    for (const naming of ways) expect((await probe(endpoint, caller, naming)).status).toBe(expected)
  })

  test.each((furtherNamings[name] ?? []).map((naming, index) => [index + 1, naming] as const))(
    'in a call that is invalid anyway (%i): does not reveal whether it exists',
    async (_, naming) => {
      for (const [, caller] of [...callersWith('missing'), ...callersWith('forbidden')]) {
        await probe(endpoint, caller, naming)
      }
    },
  )
})

describe.each(endpoints.filter(isForOperators).map((endpoint) => [endpoint.name, endpoint] as const))(
  '%s, which is for operators,',
  (name, endpoint) => {
    test.each(Object.entries(matrixCallers))('asked by %s', async (_, caller) => {
      const scenario = await setUp(endpoint, caller)
      const reply = await ask(scenario, endpoint, sampleCalls[name]?.(scenario.theirs) ?? {})
      if (caller.operator === true) expect(reply.status).toBe(200)
      else expect(reply.status).toBe(caller.expected === 'unauthenticated' ? 401 : 403)
      if (caller.operator !== true) expectNoLeak(reply, scenario)
    })
  },
)

describe.each(endpoints.filter(isForHolders).map((endpoint) => [endpoint.name, endpoint] as const))(
  '%s, which is for holders,',
  (_, endpoint) => {
    test.each(Object.entries(holderCallers))('asked by %s', async (_caller, caller) => {
      const scenario = await setUp(endpoint, caller)
      const reply = await ask(scenario, endpoint, endpoint.method === 'GET' ? {} : { json: {} })
      const mayCall = caller.expected === 'allowed' || (caller.inactive === true && endpoint.access === 'possessor')
      expect([reply.status, reply.text.includes(scenario.theirs.key.keyId)]).toEqual([mayCall ? 200 : 401, false])
      const { services, theirs } = scenario
      expect((await services.keys.findById(everyProvider, theirs.key.keyId))?.value).toEqual(theirs.key)
    })
  },
)

describe('another provider’s key', () => {
  const strangerOf = async (services: FakeServices) => (await makeManager(services, 'zeta', managementScopes)).secret

  test('is in no listing, and no cursor of its provider is accepted', async () => {
    const { services } = await sampleWorld()
    const stranger = await strangerOf(services)
    await makeKey(services)
    const { body: page } = await call(keysList, services, { query: { provider_id: 'acme', limit: '1' } })
    const { items } = (await call(keysList, services, { key: stranger })).body
    expect(items.map((item: { provider_id: string }) => item.provider_id)).toEqual(['zeta'])
    const { status, body } = await call(keysList, services, { key: stranger, query: { cursor: page.next_cursor } })
    expect([status, body.code]).toEqual([400, 'invalid_cursor'])
  })

  test('counts no use from another caller’s push or validation', async () => {
    const { services, held: theirs } = await sampleWorld()
    const stranger = await strangerOf(services)
    const before = services.queue.held()
    const pushed = await call(usagePush, services, { key: stranger, json: [{ key_id: theirs.key.keyId }] })
    expect(pushed.body).toMatchObject({ accepted: 0, rejected: [{ index: 0, code: 'key_not_found' }] })
    await call(keysValidate, services, { key: stranger, json: { key: theirs.secret } })
    expect(services.queue.held()).toEqual(before)
    await call(keysValidate, services, { json: { key: theirs.secret } })
    expect(services.queue.held()).toHaveLength(before.length + 1)
  })
})

function expectNoLeak({ headers, text }: Reply, { theirs: { key } }: Scenario): void {
  const reply = JSON.stringify(headers) + text
  for (const known of [key.keyId, key.name, key.digest, 'Acme']) expect(reply).not.toContain(known)
}
