import type { Environment, Key } from '../domain/key.ts'
import { type KeyPrefix, readPrefix } from '../domain/key-format.ts'
import type { Provider } from '../domain/provider.ts'
import { covers, type ProviderScope } from '../domain/provider-scope.ts'
import type { UsageEvent, UsageOutcome } from '../domain/usage.ts'
import { judge, type Requirements, type Verdict } from '../domain/verdict.ts'
import type { Clock, UsageRecorder } from '../ports.ts'
import type { KnownKeys } from './known-keys.ts'

export interface ValidateKeyInput {
  readonly secret: string
  readonly requirements: Requirements
  /** What was called, in the caller's own words; '' where it said nothing. */
  readonly endpoint: string
  /** What the use costs of the key's limits; 0 looks and consumes nothing. */
  readonly cost: number
  /** Read the store, whatever this instance remembers. */
  readonly anew: boolean
}

/** A refused key is a value. Only a key in the caller's own scope is judged; any other is NOT_FOUND. */
export type Validation =
  | { readonly code: 'MALFORMED' | 'NOT_FOUND' }
  | {
      readonly code: Verdict['code']
      readonly verdict: Verdict
      readonly key: Key
      readonly provider: Provider | undefined
      readonly cacheAgeMs: number
      /** Judged by what was known before the store stopped answering. */
      readonly degraded: boolean
    }

interface ValidateKeyNeeds {
  readonly knownKeys: KnownKeys
  readonly usage: UsageRecorder
  readonly clock: Clock
}

/**
 * Judges a key and counts the use, refused uses too. A dry run and a cost of 0 count nothing. Throws `store_unavailable`
 * when the key cannot be looked up, and `usage_unavailable` when the use cannot be made safe: never a verdict then.
 */
export async function validateKey(
  { knownKeys, usage, clock }: ValidateKeyNeeds,
  scope: ProviderScope,
  input: ValidateKeyInput,
): Promise<Validation> {
  const prefix = readPrefix(input.secret)
  if (prefix === undefined) return { code: 'MALFORMED' }
  if (!isEnvironment(prefix)) return { code: 'NOT_FOUND' }
  const found = knownKeys.find(input.secret, input.anew)
  const { value: key, ageMs, degraded } = found instanceof Promise ? await found : found
  if (key === undefined || !covers(scope, key.providerId)) return { code: 'NOT_FOUND' }
  const foundProvider = knownKeys.findProvider(key.providerId, input.anew)
  const provider = foundProvider instanceof Promise ? await foundProvider : foundProvider
  const now = clock.now()
  const verdict = judge({ key, provider: provider.value, requirements: input.requirements, now })
  if (isUse(input)) await usage.record(toEvent(key, verdict.code, input, now))
  return {
    code: verdict.code,
    verdict,
    key,
    provider: provider.value,
    cacheAgeMs: Math.max(ageMs, provider.ageMs),
    degraded: degraded || provider.degraded,
  }
}

function isUse({ requirements, cost }: ValidateKeyInput): boolean {
  return !requirements.dryRun && cost > 0
}

function toEvent(key: Key, outcome: UsageOutcome, input: ValidateKeyInput, at: Date): UsageEvent {
  return {
    providerId: key.providerId,
    keyId: key.keyId,
    ownerId: key.ownerId,
    // Only management keys have none, and they never come here.
    environment: key.environment ?? 'live',
    at,
    outcome,
    endpoint: input.endpoint,
    statusClass: outcome === 'VALID' ? '2xx' : '4xx',
    count: 1,
    clientIp: input.requirements.clientIp,
  }
}

function isEnvironment(prefix: KeyPrefix): prefix is Environment {
  return prefix !== 'mgmt'
}
