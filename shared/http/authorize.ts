import { managementScopes } from '../contracts/fields.ts'
import { rulesWithin } from '../domain/access/ip-rule.ts'
import { narrow, type OneProvider } from '../domain/access/provider-scope.ts'
import type { ManagementScope } from '../domain/access/scope.ts'
import { AppError, type FieldError } from '../domain/errors.ts'
import { endsAt, type Key, type KeyKind } from '../domain/keys/key.ts'
import type { Caller } from './authenticate.ts'
import { invalidRequest } from './read-request.ts'

/** Throws `forbidden` unless the caller has the scope and, with `operator`, access to all providers. */
export function authorize(caller: Caller, scope: ManagementScope, operator: boolean): void {
  if (caller.scopes !== null && !caller.scopes.includes(scope)) {
    throw new AppError('forbidden', `This call needs the scope ${scope}.`)
  }
  if (operator && caller.scope.kind !== 'every') {
    throw new AppError('forbidden', 'This call is for operators: it needs a management key over all providers.')
  }
}

const ownedFields = ['status', 'rate_limits', 'quotas'] as const

/**
 * Throws `forbidden`, with every field, where a caller names fields of a provider that only operators change: these
 * bound the provider itself.
 */
export function refuseOwnedFields(
  caller: Caller,
  body: { readonly [Field in (typeof ownedFields)[number]]?: unknown },
) {
  const named = ownedFields.filter((field) => body[field] !== undefined)
  const isOwner = caller.scope.kind === 'every' && (caller.scopes?.includes('providers:admin') ?? true)
  if (named.length === 0 || isOwner) return
  throw new AppError(
    'forbidden',
    `Only an operator changes ${named.join(', ')}: leave them out, or use a key over all providers with providers:admin.`,
    { errors: named.map((field) => ({ pointer: `#/${field}`, detail: 'is for operators with providers:admin' })) },
  )
}

/**
 * Returns the provider that a call names, else the caller's own. Throws `provider_not_found` for a provider outside the
 * caller's scope, whether it exists or not, and `invalid_request` where an operator names none.
 */
export function resolveProvider(caller: Caller, providerId: string | undefined, pointer: string): OneProvider {
  const named = providerId ?? (caller.scope.kind === 'one' ? caller.scope.providerId : undefined)
  if (named === undefined) {
    throw invalidRequest([
      { pointer, detail: 'is missing: your key reaches every provider, so say which one is meant' },
    ])
  }
  const scope = narrow(caller.scope, named)
  if (scope === undefined) throw new AppError('provider_not_found', 'There is no such provider.')
  return scope
}

/** What a caller must hold to make, change or rotate a key. */
type Rank = Pick<Key, 'scopes' | 'providerId' | 'ipRestrictions' | 'expiresAt'> & {
  readonly kind: KeyKind
  readonly graceUntil?: Key['graceUntil']
}

/**
 * Prevents privilege escalation. Throws `forbidden` where a caller would make, change or rotate a management key with
 * more scopes, more providers, more addresses or a longer life than its own. Skips keys of kind `api`: their scopes are
 * the provider's and grant nothing here. Compares with the caller's key as this instance knows it, at most 8 s old.
 */
export function refuseEscalation(caller: Caller, key: Rank): void {
  if (key.kind !== 'management' || caller.scopes === null) return
  const held = caller.scopes
  const wider = key.scopes.filter((scope) => !held.includes(scope))
  if (wider.length > 0) {
    throw new AppError('forbidden', `A management key cannot give what it does not have: ${wider.join(', ')}.`)
  }
  if (key.providerId === '*' && caller.scope.kind !== 'every') {
    throw new AppError('forbidden', 'A management key of one provider cannot give a right over all.')
  }
  if (!rulesWithin(key.ipRestrictions, caller.ipRestrictions)) {
    throw new AppError('forbidden', 'A management key that is bound to addresses cannot give a right from others.')
  }
  if (endsAt({ expiresAt: key.expiresAt, graceUntil: key.graceUntil ?? null }) > caller.endsAtMs) {
    const end = new Date(caller.endsAtMs).toISOString()
    throw new AppError(
      'forbidden',
      `A management key that expires cannot give a longer life: expires_at is ${end} at most.`,
    )
  }
}

/**
 * Throws `invalid_request` where a change would give a management key what generate refuses: a scope that this API does
 * not know, no scope at all, or a limit. Nothing enforces these, and a stored rule must be an enforced one.
 */
export function refuseUnenforced(key: Pick<Key, 'kind' | 'scopes' | 'rateLimits' | 'quota'>): void {
  if (key.kind !== 'management') return
  const known: readonly string[] = managementScopes
  const errors: FieldError[] = key.scopes.flatMap((scope, index) =>
    known.includes(scope) ? [] : [{ pointer: `#/scopes/${index}`, detail: 'is not a scope of management keys' }],
  )
  const detail = 'is not held for management keys'
  if (key.scopes.length === 0) errors.push({ pointer: '#/scopes', detail: 'must name at least one scope' })
  if (key.rateLimits.length > 0) errors.push({ pointer: '#/rate_limits', detail })
  if (key.quota !== null) errors.push({ pointer: '#/quota', detail })
  if (errors.length > 0) throw invalidRequest(errors)
}
