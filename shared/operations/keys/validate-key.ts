import { covers, type ProviderScope } from '../../domain/access/provider-scope.ts'
import type { AppError } from '../../domain/errors.ts'
import type { Environment, Key } from '../../domain/keys/key.ts'
import { type KeyPrefix, readPrefix } from '../../domain/keys/key-format.ts'
import { type KeyLimit, limitsOf } from '../../domain/keys/key-limits.ts'
import { heldToLimits } from '../../domain/keys/limit-checks.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { UsageOutcome } from '../../domain/keys/verdict.ts'
import { judge, type Requirements, type Verdict } from '../../domain/keys/verdict.ts'
import type { Taking } from '../../domain/limits/limit.ts'
import type { UsageEvent } from '../../domain/usage/usage.ts'
import type { Limiter } from '../../ports/limits.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { UsageRecorder } from '../../ports/usage.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import type { LookupResult } from '../key-cache/read-through-cache.ts'
import { type FailureLimits, tooManyFailures } from '../limits/failure-limits.ts'

export interface ValidateKeyInput {
  /** Who asks: its failures are bounded. */
  readonly callerId: string
  readonly secret: string
  readonly requirements: Requirements
  /** What was called, in the caller's own words; '' where it said nothing. */
  readonly endpoint: string
  /** What the use costs of the key's limits; 0 looks and consumes nothing. */
  readonly cost: number
  /** Read the store, whatever this instance remembers. */
  readonly bypassCache: boolean
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
      /** Where the key was found. */
      readonly source: LookupResult<Key>['source']
      /** Judged by what was known before the store stopped answering. */
      readonly degraded: boolean
    }

interface ValidateKeyNeeds {
  readonly keyLookup: KeyLookup
  readonly usage: UsageRecorder
  readonly limiter: Limiter
  readonly failures: FailureLimits
  readonly clock: Clock
}

/**
 * Judges a key and counts the use, refused uses too. A dry run and a cost of 0 count nothing and take nothing of any
 * limit; neither does a use that is refused. Throws `store_unavailable` when the key cannot be looked up or a quota cannot
 * be held, and `usage_unavailable` when the use cannot be made safe: never a verdict then. Throws `too_many_failures`
 * where the caller presents too many keys that nobody knows, and this one is not known here either.
 */
export function validateKey(
  needs: ValidateKeyNeeds,
  scope: ProviderScope,
  input: ValidateKeyInput,
): Promise<Validation> {
  const refusal = refusalOf(needs, input)
  return refusal === undefined ? judgeUse(needs, scope, input) : Promise.reject(refusal)
}

/** The same for many at once. `too_many_failures` is thrown for all together, before any of them is judged. */
export async function validateKeys(
  needs: ValidateKeyNeeds,
  scope: ProviderScope,
  inputs: readonly ValidateKeyInput[],
): Promise<readonly Validation[]> {
  for (const input of inputs) {
    const refusal = refusalOf(needs, input)
    if (refusal !== undefined) throw refusal
  }
  return Promise.all(inputs.map((input) => judgeUse(needs, scope, input)))
}

/** Whoever fails too often is told so without a look-up; the keys that are known here go on, whoever presents them. */
function refusalOf(
  { failures, keyLookup }: ValidateKeyNeeds,
  { secret, callerId, requirements }: ValidateKeyInput,
): AppError | undefined {
  if (!failures.areAnySpent()) return undefined
  const budgets = failures.validation(callerId, requirements.clientIp)
  const isKnown = () => readPrefix(secret) !== undefined && keyLookup.holds(secret)
  return failures.areSpent(budgets) && !isKnown() ? tooManyFailures(budgets) : undefined
}

async function judgeUse(needs: ValidateKeyNeeds, scope: ProviderScope, input: ValidateKeyInput): Promise<Validation> {
  const { keyLookup, usage, clock } = needs
  const prefix = readPrefix(input.secret)
  if (prefix === undefined) return failed(needs, input, 'MALFORMED')
  if (!isEnvironment(prefix)) return failed(needs, input, 'NOT_FOUND')
  const found = keyLookup.find(input.secret, input.bypassCache)
  const { value: key, ageMs, degraded, source } = found instanceof Promise ? await found : found
  if (key === undefined || !covers(scope, key.providerId)) return failed(needs, input, 'NOT_FOUND')
  const foundProvider = keyLookup.findProvider(key.providerId, input.bypassCache)
  const provider = foundProvider instanceof Promise ? await foundProvider : foundProvider
  const now = clock.now()
  const judged = judge({ key, provider: provider.value, requirements: input.requirements, now })
  const limits = limitsOf(key, provider.value)
  const held = limits.length === 0 ? judged : holdLimits(needs.limiter, limits, judged, input)
  const verdict = held instanceof Promise ? await held : held
  if (isUse(input)) await usage.record(toEvent(key, verdict.code, input, now))
  return {
    code: verdict.code,
    verdict,
    key,
    provider: provider.value,
    cacheAgeMs: Math.max(ageMs, provider.ageMs),
    source,
    degraded: degraded || provider.degraded,
  }
}

function failed({ failures }: ValidateKeyNeeds, input: ValidateKeyInput, code: 'MALFORMED' | 'NOT_FOUND'): Validation {
  failures.count(failures.validation(input.callerId, input.requirements.clientIp))
  return { code }
}

/** A use that an earlier check refused takes nothing; a dry run asks all the same, to show what it would have met. */
function holdLimits(
  limiter: Limiter,
  limits: readonly KeyLimit[],
  verdict: Verdict,
  input: ValidateKeyInput,
): Verdict | Promise<Verdict> {
  const { cost, requirements } = input
  if (verdict.code !== 'VALID' && !requirements.dryRun) return verdict
  const asked = isUse(input) ? limiter.take(limits, cost) : limiter.look(limits, cost)
  const hold = (taking: Taking) => heldToLimits(verdict, { limits, cost, taking, dryRun: requirements.dryRun })
  return asked instanceof Promise ? asked.then(hold) : hold(asked)
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
