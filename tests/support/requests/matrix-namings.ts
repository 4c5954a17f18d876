import type { CallOptions } from './call.ts'

/** How each endpoint names a resource: one of `acme`, or a missing one. */
export interface Names {
  readonly keyId: string
  /** A revoked key. */
  readonly revokedKeyId: string
  readonly secret: string
  readonly providerId: string
  readonly batchId: string
}
export type Naming = (names: Names) => CallOptions
const inPath: Naming = ({ keyId }) => ({ params: { token_id: keyId } })

/** The calls about a resource, by endpoint. */
export const namings: Readonly<Record<string, readonly Naming[]>> = {
  'keys-batch-validate': [({ secret }) => ({ json: { requests: [{ key: secret }, { key: secret, dry_run: true }] } })],
  'keys-erase': [({ revokedKeyId }) => ({ params: { token_id: revokedKeyId }, json: { confirm: revokedKeyId } })],
  'keys-generate': [({ providerId }) => ({ json: { provider_id: providerId, environment: 'live', name: 'App' } })],
  'keys-get': [inPath],
  'keys-list': [
    ({ providerId }) => ({ query: { provider_id: providerId } }),
    ({ providerId }) => ({
      query: { provider_id: providerId, owner_id: 'ann', status: 'active', created_by: 'admin' },
    }),
  ],
  'keys-patch': [
    (names) => ({ ...inPath(names), json: { name: 'Mine' } }),
    (names) => ({ ...inPath(names), json: { ip_restrictions: ['192.0.2.7'] } }),
  ],
  'keys-revoke': [
    (names) => ({ ...inPath(names), json: {} }),
    (names) => ({ ...inPath(names), json: { cascade: true } }),
  ],
  'keys-rotate': [
    (names) => ({ ...inPath(names), json: { grace_period_seconds: 0 } }),
    (names) => ({ ...inPath(names), json: { grace_period_seconds: 60 } }),
  ],
  'keys-usage': [inPath],
  'keys-validate': [
    ({ secret }) => ({ json: { key: secret } }),
    ({ secret }) => ({ json: { key: secret, dry_run: true }, headers: { 'cache-control': 'no-cache' } }),
  ],
  'providers-get': [({ providerId }) => ({ params: { provider_id: providerId } })],
  'providers-put': [({ providerId }) => ({ params: { provider_id: providerId }, json: { name: 'Mine' } })],
  'usage-list': [({ providerId }) => ({ query: { provider_id: providerId } })],
  'usage-push': [
    ({ providerId, keyId }) => ({ query: { provider_id: providerId }, json: { events: [{ key_id: keyId }] } }),
  ],
  'usage-push-status': [
    ({ batchId, providerId }) => ({ params: { batch_id: batchId }, query: { provider_id: providerId } }),
  ],
}

/** Calls that are also invalid, or that name no provider: they leak no more than the others. */
export const furtherNamings: Readonly<Record<string, readonly Naming[]>> = {
  'keys-erase': [
    ({ keyId }) => ({ params: { token_id: keyId }, json: { confirm: keyId } }),
    ({ revokedKeyId }) => ({ params: { token_id: revokedKeyId }, json: {} }),
  ],
  'keys-list': [({ providerId }) => ({ query: { provider_id: providerId, cursor: 'AAAA' } })],
  'keys-revoke': [(names) => ({ ...inPath(names), json: { cascade: true, cascade_cursor: 'AAAA' } })],
  'keys-patch': [
    (names) => ({ ...inPath(names), json: { expires_at: '2000-01-01T00:00:00Z' } }),
    (names) => ({ ...inPath(names), json: { ip_restrictions: ['1.2.3.4/0'] } }),
  ],
  'keys-rotate': [
    (names) => ({ ...inPath(names), json: {} }),
    (names) => ({ ...inPath(names), json: { grace_period_seconds: 60, expires_at: '2000-01-01T00:00:00Z' } }),
  ],
  'providers-put': [
    ({ providerId }) => ({ params: { provider_id: providerId } }),
    ({ providerId }) => ({ params: { provider_id: providerId }, json: { status: 'disabled' } }),
  ],
  'usage-push': [({ keyId }) => ({ json: { batch_id: 'batch-of-zeta', events: [{ key_id: keyId }] } })],
  'usage-push-status': [({ batchId }) => ({ params: { batch_id: batchId } })],
}
