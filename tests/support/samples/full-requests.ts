import type * as z from 'zod'
import {
  EraseKeyBody,
  GenerateKeyBody,
  KeyParams,
  ListKeysQuery,
  PatchKeyBody,
  RevokeKeyBody,
  RevokeOwnKeyBody,
  RotateKeyBody,
} from '../../../shared/contracts/keys.ts'
import { PoisonQuery, ReplayPoisonBody } from '../../../shared/contracts/poison.ts'
import { ProviderParams, PutProviderBody } from '../../../shared/contracts/providers.ts'
import {
  KeyUsageQuery,
  ProviderUsageQuery,
  PushBody,
  PushedEventBody,
  PushParams,
  PushQuery,
  PushStatusQuery,
  ReconciliationQuery,
} from '../../../shared/contracts/usage.ts'
import { BatchValidateBody, ValidateBody } from '../../../shared/contracts/validate.ts'

const keyId = '01M89TPC7XY0HEXR292KS4GDVP'
const rateLimit = { name: 'burst', limit: 5, window_seconds: 60, strategy: 'fixed_window' }
const policy = { name: 'App', description: 'Orders', owner_id: 'customer-1' }
const addresses = { ip_restrictions: ['192.0.2.1'] }
const limits = { rate_limits: [rateLimit], quota: { limit: 5, period: 'day' } }
const range = { from: '2026-11-01', to: '2026-11-02T10:00:00Z' }
const validation = {
  key: 'permas_',
  environment: 'live',
  scopes: ['orders:read'],
  any_scopes: ['orders:read'],
  client_ip: '192.0.2.1',
  endpoint: '/orders',
  method: 'GET',
  cost: 1,
  dry_run: false,
  tags: ['eu'],
}

/** A good value with every field, for each contract of a request. */
export const fullRequests: Readonly<Record<string, readonly [z.ZodType, unknown]>> = {
  GenerateKeyBody: [
    GenerateKeyBody,
    {
      ...{ kind: 'api', provider_id: 'acme', environment: 'live', scopes: ['orders:read'], metadata: { a: 1 } },
      ...{ ...policy, ...addresses, ...limits, not_before: '2027-01-01T00:00:00Z', expires_in_days: 5 },
      expires_at: '2027-02-01T00:00:00Z',
    },
  ],
  'GenerateKeyBody of a management key': [
    GenerateKeyBody,
    {
      ...{ kind: 'management', provider_id: 'acme', scopes: ['keys:read'], metadata: { a: 1 } },
      ...{ ...policy, ...addresses, not_before: '2027-01-01T00:00:00Z', expires_in_days: 5 },
      expires_at: '2027-02-01T00:00:00Z',
    },
  ],
  PatchKeyBody: [
    PatchKeyBody,
    {
      ...policy,
      ...addresses,
      ...limits,
      scopes: ['a'],
      expires_at: '2027-01-01T00:00:00Z',
      enabled: true,
      metadata: {},
    },
  ],
  RevokeOwnKeyBody: [RevokeOwnKeyBody, { reason: 'policy', text: 'left' }],
  EraseKeyBody: [EraseKeyBody, { confirm: keyId }],
  RevokeKeyBody: [
    RevokeKeyBody,
    { reason: 'policy', text: 'left', replaced_by: keyId, cascade: true, cascade_cursor: 'abc' },
  ],
  RotateKeyBody: [RotateKeyBody, { grace_period_seconds: 60, expires_at: '2027-01-01T00:00:00Z' }],
  ListKeysQuery: [
    ListKeysQuery,
    {
      ...{ provider_id: 'acme', environment: 'live', status: 'active', owner_id: 'a', created_by: 'admin' },
      ...{ scope: 'a', name: 'App', limit: '5', cursor: 'abc' },
    },
  ],
  KeyParams: [KeyParams, { token_id: keyId }],
  ValidateBody: [ValidateBody, validation],
  BatchValidateBody: [BatchValidateBody, { requests: [validation] }],
  ProviderParams: [ProviderParams, { provider_id: 'acme' }],
  PutProviderBody: [
    PutProviderBody,
    {
      ...{ name: 'Acme', status: 'active', fail_mode: 'open', rate_limits: [rateLimit] },
      quotas: { requests_per_day: 5, requests_per_month: 5, max_keys: 5, keys_per_hour: 5 },
    },
  ],
  KeyUsageQuery: [KeyUsageQuery, { ...range, granularity: 'day' }],
  ProviderUsageQuery: [ProviderUsageQuery, { ...range, granularity: 'day', provider_id: 'acme', group_by: 'key' }],
  ReconciliationQuery: [ReconciliationQuery, range],
  PushQuery: [PushQuery, { provider_id: 'acme', batch_id: 'batch-0001' }],
  PushStatusQuery: [PushStatusQuery, { provider_id: 'acme' }],
  PushParams: [PushParams, { batch_id: 'batch-0001' }],
  PushBody: [PushBody, { batch_id: 'batch-0001', events: [{}] }],
  PushedEventBody: [
    PushedEventBody,
    {
      key_id: keyId,
      at: '2026-11-01T00:00:00Z',
      outcome: 'VALID',
      endpoint: '/orders',
      status: 200,
      count: 1,
      id: 'a',
    },
  ],
  PoisonQuery: [PoisonQuery, { limit: '5', cursor: 'abc' }],
  ReplayPoisonBody: [ReplayPoisonBody, { ids: ['abc'], all: true }],
}
