import { describe, expect, test } from 'vitest'
import { keysList } from '../../functions/keys-list.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usagePush } from '../../functions/usage-push.ts'
import { managementScopes } from '../../shared/contracts/fields.ts'
import { oneProvider } from '../../shared/domain/provider-scope.ts'
import { loadEndpoints } from '../support/all-functions.ts'
import { type CallOptions, call } from '../support/call.ts'
import { type HeldKey, makeKey, makeManager } from '../support/callers.ts'
import type { FakeServices } from '../support/fake-services.ts'
import { sampleWorld } from '../support/sample-calls.ts'

const endpoints = await loadEndpoints()
const missingId = '01K99999999999999999999999'

interface Stage {
  readonly services: FakeServices
  /** Of `acme`. */
  readonly theirs: HeldKey
  /** A management key of `zeta` with every scope there is. */
  readonly stranger: string
}

async function setStage(): Promise<Stage> {
  const { services, held: theirs } = await sampleWorld()
  return { services, theirs, stranger: (await makeManager(services, 'zeta', managementScopes)).secret }
}

/** How each endpoint names a resource: that of `acme`, or one that nobody has. */
type Naming = (names: { keyId: string; secret: string; providerId: string; batchId: string }) => CallOptions
const inPath: Naming = ({ keyId }) => ({ params: { token_id: keyId } })

const namings: Readonly<Record<string, readonly Naming[]>> = {
  'keys-batch-validate': [({ secret }) => ({ json: { requests: [{ key: secret }, { key: secret, dry_run: true }] } })],
  'keys-generate': [({ providerId }) => ({ json: { provider_id: providerId, environment: 'live', name: 'App' } })],
  'keys-get': [inPath],
  'keys-list': [
    ({ providerId }) => ({ query: { provider_id: providerId } }),
    ({ providerId }) => ({ query: { provider_id: providerId, owner_id: 'ann', cursor: 'AAAA' } }),
  ],
  'keys-patch': [
    (names) => ({ ...inPath(names), json: { name: 'Mine' } }),
    (names) => ({ ...inPath(names), json: { expires_at: '2000-01-01T00:00:00Z' } }),
    (names) => ({ ...inPath(names), json: { ip_restrictions: ['1.2.3.4/0'] } }),
  ],
  'keys-revoke': [(names) => ({ ...inPath(names), json: {} })],
  'keys-rotate': [
    (names) => ({ ...inPath(names), json: {} }),
    (names) => ({ ...inPath(names), json: { expires_at: '2000-01-01T00:00:00Z' } }),
  ],
  'keys-usage': [inPath],
  'keys-validate': [
    ({ secret }) => ({ json: { key: secret } }),
    ({ secret }) => ({ json: { key: secret, dry_run: true }, headers: { 'cache-control': 'no-cache' } }),
  ],
  'providers-get': [({ providerId }) => ({ params: { provider_id: providerId } })],
  'providers-put': [({ providerId }) => ({ params: { provider_id: providerId }, json: { status: 'disabled' } })],
  'usage-list': [({ providerId }) => ({ query: { provider_id: providerId } })],
  'usage-push': [
    ({ providerId, keyId }) => ({ query: { provider_id: providerId }, json: { events: [{ key_id: keyId }] } }),
    ({ keyId }) => ({ json: { batch_id: 'batch-of-zeta', events: [{ key_id: keyId }] } }),
  ],
  'usage-push-status': [
    ({ batchId }) => ({ params: { batch_id: batchId } }),
    ({ batchId, providerId }) => ({ params: { batch_id: batchId }, query: { provider_id: providerId } }),
  ],
}

/** These name no resource: they are about the caller's own key, about nobody's, or for operators alone. */
const exempt = ['health', 'health-ready', 'keys-me', 'keys-me-revoke', 'usage-reconciliation']

test('every endpoint that names a resource is looked at here', () => {
  const names = endpoints.map(({ name }) => name)
  expect(names.filter((name) => !exempt.includes(name)).toSorted()).toEqual(Object.keys(namings).toSorted())
  expect(names).toEqual(expect.arrayContaining(exempt))
})

const cases = Object.entries(namings).flatMap(([name, ways]) =>
  ways.map((naming, way) => [name, way + 1, naming] as const),
)

describe('another provider’s resource', () => {
  test.each(cases)(
    'is missing at %s, byte for byte (way %i to name it), and stays as it was',
    async (name, _, naming) => {
      const endpoint = endpoints.find((one) => one.name === name)
      if (endpoint === undefined) throw new Error(`no ${name}`)
      const answerOn = async ({ services, stranger }: Stage, names: Parameters<Naming>[0]) => {
        const options = naming(names)
        const headers = { ...options.headers, 'x-request-id': 'the-same-id' }
        const {
          status,
          headers: answered,
          text,
        } = await call(endpoint, services, { ...options, key: stranger, headers })
        return { status, answered, text }
      }
      // Two stages that are alike, so that neither call can leave anything behind that changes the other one's answer.
      const [stage, sameStage] = [await setStage(), await setStage()]
      const { key, secret } = stage.theirs
      const before = await stateOf(stage)
      const existing = await answerOn(stage, { keyId: key.keyId, secret, providerId: 'acme', batchId: 'batch-0001' })
      const unknown = { keyId: missingId, secret, providerId: 'nobody', batchId: 'batch-0002' }
      expect(existing).toEqual(await answerOn(sameStage, unknown))
      expect(await stateOf(stage)).toEqual(before)
    },
  )

  test('is in no listing, and no cursor of theirs leads to it', async () => {
    const { services, stranger } = await setStage()
    await makeKey(services)
    const { body: page } = await call(keysList, services, { query: { provider_id: 'acme', limit: '1' } })
    const { items } = (await call(keysList, services, { key: stranger })).body
    expect(items.map((item: { provider_id: string }) => item.provider_id)).toEqual(['zeta'])
    const { status, body } = await call(keysList, services, { key: stranger, query: { cursor: page.next_cursor } })
    expect([status, body.code]).toEqual([400, 'invalid_cursor'])
  })

  test('gets no use counted by a push or a validation of somebody else', async () => {
    const { services, stranger, theirs } = await setStage()
    const before = services.queue.held()
    const pushed = await call(usagePush, services, { key: stranger, json: [{ key_id: theirs.key.keyId }] })
    expect(pushed.body).toMatchObject({ accepted: 0, rejected: [{ index: 0, code: 'key_not_found' }] })
    await call(keysValidate, services, { key: stranger, json: { key: theirs.secret } })
    expect(services.queue.held()).toEqual(before)
    await call(keysValidate, services, { json: { key: theirs.secret } })
    expect(services.queue.held()).toHaveLength(before.length + 1)
  })
})

async function stateOf({ services: { keys, providers, pushes }, theirs }: Stage) {
  const acme = oneProvider('acme')
  return {
    keys: await keys.page(acme, { limit: 100, after: null }),
    provider: await providers.find(acme),
    key: await keys.findById(acme, theirs.key.keyId),
    batch: await pushes.find(acme, 'batch-0001'),
  }
}
