import { randomBytes } from 'node:crypto'
import { managementScopes } from '../../../shared/contracts/fields.ts'
import { everyProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import { generateSecret } from '../../../shared/domain/keys/key-format.ts'
import { patchKey } from '../../../shared/operations/keys/patch-key.ts'
import { putProvider } from '../../../shared/operations/keys/put-provider.ts'
import { writeRevocation } from '../../../shared/operations/keys/revoke-key.ts'
import { adminKey, type FakeServices } from '../memory/fake-services.ts'
import type { CallOptions, Endpoint } from './call.ts'
import { makeKey, makeManager } from './callers.ts'

/** Credentials that this endpoint must refuse, each as it would be sent. */
export async function wrongCredentials(endpoint: Endpoint, services: FakeServices): Promise<CallOptions[]> {
  const manager = (await makeManager(services, 'acme', managementScopes)).secret
  const holder = (await makeKey(services)).secret
  const inactive = await inactiveManagers(services)
  const forHolders = endpoint.access === 'holder' || endpoint.access === 'possessor'
  const right = forHolders ? holder : manager
  const wrongKind = forHolders ? [adminKey, manager] : [holder]
  const broken = [
    '',
    ' ',
    'wrong',
    adminKey.slice(1),
    `${adminKey}x`,
    adminKey.toUpperCase(),
    `${right}0`,
    right.slice(1),
  ]
  const strangers = [generateSecret('mgmt', randomBytes), generateSecret('live', randomBytes)]
  const headers = ['Bearer', 'Bearer ', 'Basic YWRtaW46YWRtaW4=', `Token ${right}`]
  return [
    { key: null },
    ...[...broken, ...inactive, ...wrongKind, ...strangers].map((key) => ({ key })),
    ...headers.map((authorization) => ({ key: null, headers: { authorization } })),
    // Two different credentials are refused, though one of them is right.
    { key: right, headers: { authorization: 'Bearer something-else' } },
    { key: 'something-else', headers: { authorization: `Bearer ${right}` } },
  ]
}

/**
 * Secrets of management keys that are revoked, disabled, expired, of a disabled provider, and bound to other addresses.
 */
async function inactiveManagers(services: FakeServices): Promise<string[]> {
  const make = (providerId: string) => makeManager(services, providerId, managementScopes)
  const [revoked, disabled, expired, asleep, elsewhere] = [
    await make('acme'),
    await make('acme'),
    await make('acme'),
    await make('asleep'),
    await make('acme'),
  ]
  const allow = () => undefined
  const soon = new Date(services.clock.now().getTime() + 1)
  const why = { reason: 'policy', text: null, replacedBy: null, by: 'admin' } as const
  await writeRevocation(services, everyProvider, { keyId: revoked.key.keyId, ...why })
  await patchKey(services, everyProvider, disabled.key.keyId, { enabled: false }, allow)
  await patchKey(services, everyProvider, expired.key.keyId, { expiresAt: soon }, allow)
  await patchKey(services, everyProvider, elsewhere.key.keyId, { ipRestrictions: ['192.0.2.7'] }, allow)
  await services.time.advance(1)
  const quotas = { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null }
  const settings = { name: null, status: 'disabled', failMode: 'open', rateLimits: [], quotas } as const
  await putProvider(services, oneProvider('asleep'), settings, 'admin')
  return [revoked, disabled, expired, asleep, elsewhere].map(({ secret }) => secret)
}
