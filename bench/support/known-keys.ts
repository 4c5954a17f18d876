import { randomBytes } from 'node:crypto'
import { ulid } from 'ulid'
import { encodeUsageMessage, measureUsageDelta } from '../../shared/contracts/usage-message.ts'
import type { Key } from '../../shared/domain/keys/key.ts'
import { generateSecret, keyHint } from '../../shared/domain/keys/key-format.ts'
import { type KeyLookup, keyLookup } from '../../shared/operations/key-cache/key-lookup.ts'
import type { KeyDigest } from '../../shared/operations/key-digests.ts'
import { keyDigests } from '../../shared/operations/key-digests.ts'
import type { ValidateKeyInput } from '../../shared/operations/keys/validate-key.ts'
import type { BypassLimit } from '../../shared/operations/limits/bypass-limit.ts'
import type { FailureLimits } from '../../shared/operations/limits/failure-limits.ts'
import { queueRecorder } from '../../shared/operations/usage/queue-recorder.ts'
import type { KeyStore, ProviderStore } from '../../shared/ports/keys.ts'
import type { Limiter } from '../../shared/ports/limits.ts'
import type { Clock } from '../../shared/ports/runtime.ts'
import { openMetrics } from '../../shared/runtime/metrics.ts'
import { noReplica } from '../../tests/support/memory/no-replica.ts'
import { systemClock, systemScheduler } from './usage-messages.ts'

/** A typical key: one of a few policies, its own name and owner. No limits: they have their own bench. */
export function makeKey(index: number, secret: string, { digest, pepperVersion }: KeyDigest): Key {
  const createdAt = new Date(Date.UTC(2026, 0, 1) + index * 1000)
  return {
    keyId: String(index).padStart(26, '0'),
    digest,
    pepperVersion,
    hint: keyHint(secret),
    providerId: `provider-${index % 50}`,
    kind: 'api',
    environment: 'live',
    name: `key ${index}`,
    description: null,
    ownerId: `customer-${index}`,
    scopes: ['orders:read', 'orders:write'],
    ipRestrictions: ['203.0.113.0/24'],
    notBefore: null,
    expiresAt: new Date(Date.UTC(2030, 0, 1)),
    rateLimits: [],
    quota: null,
    metadata: null,
    enabled: true,
    createdAt,
    createdBy: 'admin',
    updatedAt: createdAt,
    revocation: null,
    rotatedFrom: null,
    replacedBy: null,
    graceUntil: null,
    lineage: null,
  }
}

/** A validation with every requirement set. */
export function validateInput(secret: string): ValidateKeyInput {
  return {
    callerId: 'admin',
    secret,
    requirements: {
      environment: 'live',
      scopes: ['orders:read'],
      anyScopes: [],
      clientIp: '203.0.113.7',
      dryRun: false,
    },
    endpoint: 'GET /orders',
    cost: 1,
    bypassCache: false,
  }
}

const unasked = () => {
  throw new Error('No key here has a limit.')
}

/** Limits for keys without limits; failures are not limited either. */
export const limitless: {
  readonly limiter: Limiter
  readonly failures: FailureLimits
  readonly bypasses: BypassLimit
} = {
  limiter: {
    take: unasked,
    look: unasked,
    release: unasked,
    leases: () => 0,
    clockSkewSeconds: () => undefined,
  },
  failures: {
    validation: () => [],
    authentication: () => [],
    areAnySpent: () => false,
    areSpent: () => false,
    admit: () => undefined,
    count: () => {},
  },
  bypasses: { take: () => {} },
}

/** Reads the real clocks as the service does, but time hardly passes: no cache entry expires. */
export const ageless: Clock = {
  now: () => new Date(startedAtMs + (Date.now() - startedAtMs) * 1e-9),
  monotonicMs: () => performance.now() * 1e-9,
}
const startedAtMs = Date.now()

/** What `keyLookup` needs besides stores and a clock: an empty feed, and no replica on disk. */
export const unchanging: Pick<
  Parameters<typeof keyLookup>[0],
  'feed' | 'replica' | 'scheduler' | 'log' | 'meter' | 'rehash' | 'staleIfErrorMs'
> = {
  staleIfErrorMs: 900_000,
  feed: { append: async () => {}, read: async () => ({ changes: [], at: undefined }) },
  replica: noReplica,
  scheduler: systemScheduler,
  log: () => {},
  rehash: () => {},
  meter: openMetrics({ worker: 'bench' }).meter,
}

export interface WarmCache {
  readonly keyLookup: KeyLookup
  readonly secrets: readonly string[]
}

const digests = keyDigests([{ version: 'p1', bytes: randomBytes(32) }])
const noProviders: ProviderStore = { find: async () => undefined, put: async () => 'stale' }

/** A cache of `size` keys, each read once from a store that generates it. */
export async function fillCache(size: number): Promise<WarmCache> {
  let next: Key | undefined
  const keys = { findByDigest: async () => next } as unknown as KeyStore
  const cache = keyLookup({ ...unchanging, keys, providers: noProviders, digests, clock: ageless }, size)
  const secrets: string[] = []
  for (let index = 0; index < size; index++) {
    const secret = generateSecret('live', randomBytes)
    next = makeKey(index, secret, digests.make(secret))
    await cache.find(secret, false)
    secrets.push(secret)
  }
  return { keyLookup: cache, secrets }
}

/** The service's recorder, into a queue that accepts every message at once and drops it. */
export function recorderToNowhere() {
  return queueRecorder({
    queue: { send: async () => {} },
    codec: { encode: encodeUsageMessage, measure: measureUsageDelta },
    clock: systemClock,
    scheduler: systemScheduler,
    log: () => {},
    meter: openMetrics({ worker: 'bench' }).meter,
    jitter: Math.random,
    hashIp: digests.ofAddress,
    durability: 'relaxed',
    instance: 'bench',
    boot: ulid(),
  })
}
