import { addressAllowed } from '../access/ip-rule.ts'
import { missingScopes, scopeAllows } from '../access/scope.ts'
import { type Environment, endsAt, type Key } from './key.ts'
import { type LimitStanding, limitCheckNames } from './key-limits.ts'
import type { Provider } from './provider.ts'

/** The outcome of a use: VALID, or the reason of the refusal. */
export type UsageOutcome =
  | 'VALID'
  | 'REVOKED'
  | 'EXPIRED'
  | 'NOT_YET_VALID'
  | 'DISABLED'
  | 'PROVIDER_DISABLED'
  | 'ENVIRONMENT_MISMATCH'
  | 'IP_NOT_ALLOWED'
  | 'INSUFFICIENT_SCOPE'
  | 'COST_EXCEEDS_LIMIT'
  | 'RATE_LIMITED'
  | 'QUOTA_EXCEEDED'

export type CheckName =
  | 'revocation'
  | 'expiry'
  | 'not_before'
  | 'enabled'
  | 'provider'
  | 'environment'
  | 'client_ip'
  | 'scopes'
  | 'rate_limits'
  | 'quota'

/** `skipped`: an earlier check failed. */
export interface CheckResult {
  readonly check: CheckName
  readonly result: 'passed' | 'failed' | 'skipped'
  readonly detail: string | null
}

/** `RATE_80`, `QUOTA_80`: four fifths of a rate limit, or of a quota, are used. */
export type Warning = 'EXPIRES_SOON' | 'NEVER_EXPIRES' | 'IN_GRACE' | 'RATE_80' | 'QUOTA_80'

/** What the caller of validate requires of the key. */
export interface Requirements {
  readonly environment: Environment | null
  /** The key must have all of these. */
  readonly scopes: readonly string[]
  /** The key must have at least one of these; empty requires none. */
  readonly anyScopes: readonly string[]
  readonly clientIp: string | null
  /** Runs every check, even after the first failure. */
  readonly dryRun: boolean
}

/** The input of a verdict. `provider` is undefined for a provider without a row: active and unlimited. */
export interface Evidence {
  readonly key: Key
  readonly provider: Provider | undefined
  readonly requirements: Requirements
  readonly now: Date
}

export interface Verdict {
  readonly code: UsageOutcome
  readonly checks: readonly CheckResult[]
  readonly warnings: readonly Warning[]
  readonly missingScopes: readonly string[]
  /** The state of each limit; empty without limits, or when an earlier check failed. */
  readonly limits: readonly LimitStanding[]
  /** The limit that refused the use, and the time after which a retry makes sense; undefined: never. */
  readonly exceeded: (LimitStanding & { readonly retryAfterMs: number | undefined }) | null
}

interface Rule {
  readonly check: CheckName
  readonly code: UsageOutcome
  /** Why the key fails; undefined when it passes. */
  readonly fault: (evidence: Evidence) => string | undefined
}

const EXPIRES_SOON_MS = 7 * 24 * 60 * 60 * 1000

const rules: readonly Rule[] = [
  { check: 'revocation', code: 'REVOKED', fault: ({ key }) => (key.revocation ? 'The key was revoked.' : undefined) },
  {
    check: 'expiry',
    code: 'EXPIRED',
    fault: ({ key, now }) => (endsAt(key) <= now.getTime() ? 'The key has expired.' : undefined),
  },
  {
    check: 'not_before',
    code: 'NOT_YET_VALID',
    fault: ({ key, now }) => (key.notBefore !== null && now < key.notBefore ? 'The key is not valid yet.' : undefined),
  },
  { check: 'enabled', code: 'DISABLED', fault: ({ key }) => (key.enabled ? undefined : 'The key is disabled.') },
  {
    check: 'provider',
    code: 'PROVIDER_DISABLED',
    fault: ({ provider }) => (provider?.status === 'disabled' ? 'The provider is disabled.' : undefined),
  },
  { check: 'environment', code: 'ENVIRONMENT_MISMATCH', fault: faultOfEnvironment },
  { check: 'client_ip', code: 'IP_NOT_ALLOWED', fault: faultOfClientIp },
  { check: 'scopes', code: 'INSUFFICIENT_SCOPE', fault: faultOfScopes },
]

// The result of nearly every validation: allocated once, not per call.
const passed = [...rules.map(({ check }) => check), ...limitCheckNames].map(
  (check): CheckResult => ({ check, result: 'passed', detail: null }),
)
const noLimits = { limits: [], exceeded: null }

/**
 * Judges a key by every check except its limits, which count as passed until `applyLimits`. The first failed check
 * gives the code; the order of the checks is part of the API contract.
 */
export function judge(evidence: Evidence): Verdict {
  const firstFailure = rules.findIndex((rule) => rule.fault(evidence) !== undefined)
  if (firstFailure === -1) {
    return { code: 'VALID', checks: passed, warnings: warningsFor(evidence), missingScopes: [], ...noLimits }
  }
  const code = rules[firstFailure]?.code ?? 'REVOKED'
  const result = evidence.requirements.dryRun ? 'passed' : 'skipped'
  return {
    code,
    checks: [
      ...rules.map((rule, index) => resultOf(rule, evidence, index > firstFailure)),
      ...limitCheckNames.map((check): CheckResult => ({ check, result, detail: null })),
    ],
    warnings: [],
    missingScopes: code === 'INSUFFICIENT_SCOPE' ? lackingScopes(evidence) : [],
    ...noLimits,
  }
}

function resultOf({ check, fault }: Rule, evidence: Evidence, afterFailure: boolean): CheckResult {
  if (afterFailure && !evidence.requirements.dryRun) return { check, result: 'skipped', detail: null }
  const detail = fault(evidence)
  return detail === undefined ? { check, result: 'passed', detail: null } : { check, result: 'failed', detail }
}

function faultOfEnvironment({ key, requirements }: Evidence): string | undefined {
  if (requirements.environment === null || requirements.environment === key.environment) return undefined
  return `The key is for ${key.environment}, the request asks for ${requirements.environment}.`
}

function faultOfClientIp({ key, requirements: { clientIp } }: Evidence): string | undefined {
  if (key.ipRestrictions.length === 0 || addressAllowed(key.ipRestrictions, clientIp)) return undefined
  return clientIp === null
    ? 'The key is bound to addresses, and client_ip is missing or no address.'
    : 'client_ip is not allowed.'
}

function faultOfScopes(evidence: Evidence): string | undefined {
  const { scopes, anyScopes } = evidence.requirements
  if (scopes.length === 0 && anyScopes.length === 0) return undefined
  const missing = lackingScopes(evidence)
  return missing.length === 0 ? undefined : `The key lacks ${missing.join(', ')}.`
}

function lackingScopes({ key, requirements: { scopes, anyScopes } }: Evidence): readonly string[] {
  const missing = missingScopes(key.scopes, scopes)
  const hasAny = anyScopes.length === 0 || anyScopes.some((any) => key.scopes.some((grant) => scopeAllows(grant, any)))
  return hasAny ? missing : [...missing, ...anyScopes.filter((any) => !missing.includes(any))]
}

const neverExpires: readonly Warning[] = ['NEVER_EXPIRES']
const noWarning: readonly Warning[] = []

function warningsFor({ key, now }: Evidence): readonly Warning[] {
  const end = endsAt(key)
  if (end === Infinity) return neverExpires
  const soon = end - now.getTime() <= EXPIRES_SOON_MS
  if (key.graceUntil !== null) return soon ? ['IN_GRACE', 'EXPIRES_SOON'] : ['IN_GRACE']
  return soon ? ['EXPIRES_SOON'] : noWarning
}
