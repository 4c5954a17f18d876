import { usagePush } from '../../../functions/usage-push.ts'
import { everyProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import { putProvider } from '../../../shared/operations/keys/put-provider.ts'
import { writeRevocation } from '../../../shared/operations/keys/revoke-key.ts'
import { type FakeServices, fakeServices } from '../memory/fake-services.ts'
import { type CallOptions, call, type Endpoint, type Reply } from './call.ts'
import { type HeldKey, makeKey } from './callers.ts'

/** The id of the revoked key that a sample world has beside the held one. */
export const revokedIdOf = ({ key }: HeldKey): string => `${key.keyId.slice(0, -1)}R`

/** A stored provider `acme` with a key, a revoked key and a pushed batch `batch-0001`. */
export interface SampleWorld {
  readonly services: FakeServices
  readonly held: HeldKey
}

export async function sampleWorld(services = fakeServices()): Promise<SampleWorld> {
  const held = await makeKey(services)
  const keyId = revokedIdOf(held)
  await makeKey(services, { keyId, ownerId: 'ann@example.com' })
  await writeRevocation(services, everyProvider, {
    keyId,
    ...{ reason: 'policy', text: 'of Ann', replacedBy: null, by: 'admin' },
  })
  const quotas = { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null }
  const settings = { name: 'Acme', status: 'active', failMode: 'open', rateLimits: [], quotas } as const
  await putProvider(services, oneProvider('acme'), settings, 'admin')
  await call(usagePush, services, {
    query: { provider_id: 'acme' },
    json: { batch_id: 'batch-0001', events: [{ key_id: held.key.keyId }] },
  })
  return { services, held }
}

/** The stored state of `acme`. */
export async function stateOf({ keys, providers, pushes, erasures }: FakeServices, theirs: HeldKey) {
  const acme = oneProvider('acme')
  return {
    keys: await keys.page(acme, { limit: 100, after: null }),
    provider: await providers.find(acme),
    key: await keys.findById(acme, theirs.key.keyId),
    batch: await pushes.find(acme, 'batch-0001'),
    erasures: erasures.held(),
  }
}

/** A successful call of each endpoint, as the admin, a manager of `acme`, or the holder where it is for holders. */
export const sampleCalls: Readonly<Record<string, (held: HeldKey) => CallOptions>> = {
  health: () => ({}),
  'health-ready': () => ({}),
  'keys-batch-validate': ({ secret }) => ({ json: { requests: [{ key: secret }] } }),
  'keys-erase': (held) => ({ params: { token_id: revokedIdOf(held) }, json: { confirm: revokedIdOf(held) } }),
  'keys-generate': () => ({ json: { provider_id: 'acme', environment: 'live', name: 'App' } }),
  'keys-get': ({ key }) => ({ params: { token_id: key.keyId } }),
  'keys-list': () => ({ query: { provider_id: 'acme' } }),
  'keys-me': ({ secret }) => ({ key: secret }),
  'keys-me-revoke': ({ secret }) => ({ key: secret, json: { reason: 'owner_request' } }),
  'keys-patch': ({ key }) => ({ params: { token_id: key.keyId }, json: { name: 'New' } }),
  'keys-revoke': ({ key }) => ({ params: { token_id: key.keyId }, json: { reason: 'policy' } }),
  'keys-rotate': ({ key }) => ({ params: { token_id: key.keyId }, json: { grace_period_seconds: 60 } }),
  'keys-usage': ({ key }) => ({ params: { token_id: key.keyId } }),
  'keys-validate': ({ secret }) => ({ json: { key: secret } }),
  metrics: () => ({}),
  'providers-get': () => ({ params: { provider_id: 'acme' } }),
  'providers-put': () => ({ params: { provider_id: 'acme' }, json: { name: 'Acme' } }),
  'usage-list': () => ({ query: { provider_id: 'acme' } }),
  'usage-poison': () => ({}),
  'usage-poison-replay': () => ({ json: { all: true } }),
  'usage-push': ({ key }) => ({ query: { provider_id: 'acme' }, json: { events: [{ key_id: key.keyId }] } }),
  'usage-push-status': () => ({ params: { batch_id: 'batch-0001' }, query: { provider_id: 'acme' } }),
  'usage-reconciliation': () => ({}),
}

/** Sends the endpoint's sample call with the parts of `change`; queries and headers are merged. */
export function sendSample({ services, held }: SampleWorld, endpoint: Endpoint, change: CallOptions): Promise<Reply> {
  const sample = sampleCalls[endpoint.name]?.(held) ?? {}
  const query = { ...sample.query, ...change.query }
  const headers = { ...sample.headers, ...change.headers }
  return call(endpoint, services, { ...sample, ...change, query, headers })
}
