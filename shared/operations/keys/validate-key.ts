import pLimit from 'p-limit'
import { covers, type ProviderScope } from '../../domain/access/provider-scope.ts'
import { isOutcomeOpen } from '../../domain/errors.ts'
import type { Environment, Key } from '../../domain/keys/key.ts'
import { hasWhitespace, type KeyPrefix, readPrefix } from '../../domain/keys/key-format.ts'
import { type KeyLimit, limitBelow, limitsOf } from '../../domain/keys/key-limits.ts'
import { applyLimits } from '../../domain/keys/limit-checks.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import { judge, type Requirements, type UsageOutcome, type Verdict } from '../../domain/keys/verdict.ts'
import type { Taking } from '../../domain/limits/limit.ts'
import type { UsageEvent } from '../../domain/usage/usage.ts'
import type { Limiter } from '../../ports/limits.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { UsageRecorder } from '../../ports/usage.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import type { LookupResult } from '../key-cache/read-through-cache.ts'
import type { BypassLimit } from '../limits/bypass-limit.ts'
import type { FailureLimits } from '../limits/failure-limits.ts'

export interface ValidateKeyInput {
  /** The caller, whose failures are limited. */
  readonly callerId: string
  readonly secret: string
  readonly requirements: Requirements
  /** The endpoint in use, as the caller names it; '' when it names none. */
  readonly endpoint: string
  /** The units that the use takes from the key's limits; 0 checks them and takes nothing. */
  readonly cost: number
  /** Reads the store even when the key is cached. */
  readonly bypassCache: boolean
}

/** A refused key is a value. Only a key in the caller's own scope is judged; any other is NOT_FOUND. */
export type Validation =
  | { readonly code: 'NOT_FOUND' }
  | { readonly code: 'MALFORMED'; readonly hasWhitespace: boolean }
  | {
      readonly code: Verdict['code']
      readonly verdict: Verdict
      readonly key: Key
      readonly provider: Provider | undefined
      readonly cacheAgeMs: number
      /** The tier of the cache that answered. */
      readonly source: LookupResult<Key>['source']
      /** Judged by stale entries because the store did not answer, or counted on the local disk because the queue did not. */
      readonly degraded: boolean
    }

const LOOKUPS_AT_ONCE = 16

interface ValidateKeyNeeds {
  readonly keyLookup: KeyLookup
  readonly usage: UsageRecorder
  readonly limiter: Limiter
  readonly failures: FailureLimits
  readonly bypasses: BypassLimit
  readonly clock: Clock
}

/**
 * Judges a key and counts the use, refused uses too. A dry run and a cost of 0 count nothing. They take nothing from a
 * limit, and neither does a refused use. Throws `store_unavailable` when the key cannot be looked up or a quota cannot
 * be enforced, and `usage_unavailable` when the use cannot be made durable: no verdict is returned then. Throws
 * `too_many_failures` when the caller presented too many unknown keys, this key is not known here, and the queue for
 * lookups of such keys is full; `rate_limited` when it bypasses the cache too often; and `overloaded` when this instance
 * has too much under way to look the key up.
 */
export async function validateKey(
  needs: ValidateKeyNeeds,
  scope: ProviderScope,
  input: ValidateKeyInput,
): Promise<Validation> {
  if (input.bypassCache) needs.bypasses.take(input.callerId, 1)
  if (needs.failures.areAnySpent()) await waitForTurn(needs, [input])
  return judgeUse(needs, scope, input)
}

/** Validates many keys at once. Throws `too_many_failures` or `rate_limited` for all of them, before any is judged. */
export async function validateKeys(
  needs: ValidateKeyNeeds,
  scope: ProviderScope,
  inputs: readonly ValidateKeyInput[],
): Promise<readonly Validation[]> {
  const [bypassing, ...more] = inputs.filter(({ bypassCache }) => bypassCache)
  if (bypassing !== undefined) needs.bypasses.take(bypassing.callerId, 1 + more.length)
  if (needs.failures.areAnySpent()) await waitForTurn(needs, inputs)
  const few = lookupsAtOnce(needs)
  return Promise.all(inputs.map((input) => judgeUse(few, scope, input)))
}

/**
 * Bounds the lookups that one batch has in flight, so that it cannot fill the line before the store by itself. After the
 * first failure it begins no other lookup: the batch has failed then. Keys that are known here do not wait.
 */
function lookupsAtOnce(needs: ValidateKeyNeeds): ValidateKeyNeeds {
  const { keyLookup } = needs
  const slots = pLimit(LOOKUPS_AT_ONCE)
  let failure: { readonly error: unknown } | undefined
  const find: KeyLookup['find'] = (secret, bypassCache) => {
    if (!bypassCache && keyLookup.holds(secret)) return keyLookup.find(secret, false)
    return slots(async () => {
      if (failure !== undefined) throw failure.error
      try {
        return await keyLookup.find(secret, bypassCache)
      } catch (error) {
        failure = { error }
        throw error
      }
    })
  }
  return { ...needs, keyLookup: { ...keyLookup, find } }
}

/** Delays the lookups of unknown keys whose failure budgets are exhausted, by 1 s at most. Delays no others. */
async function waitForTurn(
  { failures, keyLookup }: ValidateKeyNeeds,
  inputs: readonly ValidateKeyInput[],
): Promise<void> {
  const budgetsOf = ({ callerId, requirements }: ValidateKeyInput) =>
    failures.validation(callerId, requirements.clientIp)
  const slowed = inputs.filter(
    (input) => isApiKey(input.secret) && failures.areSpent(budgetsOf(input)) && !keyLookup.holds(input.secret),
  )
  await failures.admit(slowed.map(budgetsOf))
}

/** Whether the secret needs a lookup: every other one is refused by its format. */
function isApiKey(secret: string): boolean {
  const prefix = readPrefix(secret)
  return prefix !== undefined && isEnvironment(prefix)
}

async function judgeUse(needs: ValidateKeyNeeds, scope: ProviderScope, input: ValidateKeyInput): Promise<Validation> {
  const { keyLookup, clock } = needs
  const prefix = readPrefix(input.secret)
  // No lookup was made: such a failure costs no budget.
  if (prefix === undefined) return { code: 'MALFORMED', hasWhitespace: hasWhitespace(input.secret) }
  if (!isEnvironment(prefix)) return { code: 'NOT_FOUND' }
  const found = keyLookup.find(input.secret, input.bypassCache)
  const { value: key, ageMs, degraded, source } = found instanceof Promise ? await found : found
  if (key === undefined || !covers(scope, key.providerId)) return countFailure(needs, input)
  const foundProvider = keyLookup.findProvider(key.providerId, input.bypassCache)
  const provider = foundProvider instanceof Promise ? await foundProvider : foundProvider
  const now = clock.now()
  const judged = judge({ key, provider: provider.value, requirements: input.requirements, now })
  const limits = limitsOf(key, provider.value)
  const limited = limits.length === 0 ? judged : takeLimits(needs.limiter, limits, judged, input)
  const { final, recorded } = await settle(needs, { key, provider: provider.value, input, now }, limited)
  return {
    code: final.verdict.code,
    ...final,
    provider: provider.value,
    cacheAgeMs: Math.max(ageMs, provider.ageMs),
    source,
    degraded: degraded || provider.degraded || recorded === 'degraded',
  }
}

/** Waits for the limits and records the use. Looks at the revocations once more after each wait. */
async function settle(needs: ValidateKeyNeeds, first: FirstLook, limited: Verdict | Promise<Verdict>) {
  const { key, input, now } = first
  const judged =
    limited instanceof Promise
      ? await lookAgain(needs, first, { key, verdict: await limited })
      : { key, verdict: limited }
  if (!isUse(input)) return { final: judged, recorded: 'recorded' as const }
  const recorded = await needs.usage.record(toEvent(key, judged.verdict.code, input, now))
  return { final: await lookAgain(needs, first, judged), recorded }
}

interface Judged {
  readonly key: Key
  readonly verdict: Verdict
}

interface FirstLook {
  readonly key: Key
  readonly input: ValidateKeyInput
  readonly provider: Provider | undefined
  readonly now: Date
}

/** After a longer wait the process may have been stopped, and its cache may have missed a poll. */
const WAIT_MS_MAX = 1000

/**
 * Looks at the revocations once more, after a wait for the limiter or the queue. A revoked key is judged again. Looks
 * the key up again after a wait of a second. A use that the queue has taken meanwhile stays counted as judged first.
 */
function lookAgain(
  { keyLookup, clock }: ValidateKeyNeeds,
  { provider, input, now }: FirstLook,
  judged: Judged,
): Judged | Promise<Judged> {
  const { key } = judged
  if (key.revocation !== null) return judged
  const judgeAgain = (seen: Key): Judged =>
    seen.revocation === null
      ? judged
      : { key: seen, verdict: judge({ key: seen, provider, requirements: input.requirements, now }) }
  const waitedMs = Math.abs(clock.now().getTime() - now.getTime())
  if (waitedMs <= WAIT_MS_MAX) return judgeAgain(keyLookup.recheck(key))
  return Promise.resolve(keyLookup.find(input.secret, false)).then(({ value = key }) => judgeAgain(value))
}

function countFailure({ failures }: ValidateKeyNeeds, input: ValidateKeyInput): Validation {
  failures.count(failures.validation(input.callerId, input.requirements.clientIp))
  return { code: 'NOT_FOUND' }
}

/** A use that an earlier check refused takes nothing. A dry run checks the limits all the same, to report them. */
function takeLimits(
  limiter: Limiter,
  limits: readonly KeyLimit[],
  verdict: Verdict,
  input: ValidateKeyInput,
): Verdict | Promise<Verdict> {
  const { cost, requirements } = input
  if (verdict.code !== 'VALID' && !requirements.dryRun) return verdict
  const decide = (taking: Taking) => applyLimits(verdict, { limits, cost, taking, dryRun: requirements.dryRun })
  const isPayable = limitBelow(limits, cost) === undefined
  const taken = isUse(input) && isPayable ? limiter.take(limits, cost) : limiter.look(limits, cost)
  if (!(taken instanceof Promise)) return decide(taken)
  return (isPayable ? taken : taken.catch(withoutStates)).then(decide)
}

/** A cost that no retry can pay needs no store: where that does not answer, the verdict shows no states. */
function withoutStates(error: unknown): Taking {
  if (!isOutcomeOpen(error)) throw error
  return { kind: 'taken', states: [] }
}

function isUse({ requirements, cost }: ValidateKeyInput): boolean {
  return !requirements.dryRun && cost > 0
}

function toEvent(key: Key, outcome: UsageOutcome, input: ValidateKeyInput, at: Date): UsageEvent {
  return {
    providerId: key.providerId,
    keyId: key.keyId,
    ownerId: key.ownerId,
    // Only management keys have none, and they are never judged.
    environment: key.environment ?? 'live',
    at,
    outcome,
    endpoint: input.endpoint,
    statusClass: outcome === 'VALID' ? '2xx' : '4xx',
    count: 1,
    clientIp: key.erasedAt === undefined ? input.requirements.clientIp : null,
  }
}

function isEnvironment(prefix: KeyPrefix): prefix is Environment {
  return prefix !== 'mgmt'
}
