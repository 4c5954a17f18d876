/** What a management key may do to this API. */
export type ManagementScope =
  | 'keys:read'
  | 'keys:write'
  | 'keys:revoke'
  | 'keys:erase'
  | 'keys:validate'
  | 'metrics:read'
  | 'usage:read'
  | 'usage:write'
  | 'providers:read'
  | 'providers:write'
  /** The fields of a provider that its operator owns; only for callers over all providers. */
  | 'providers:admin'

/**
 * Whether a granted scope allows a required scope. `*` allows everything. A grant that ends in `:*` or `.*` allows
 * every longer scope with the prefix before its star; anywhere else a star is an ordinary character. A required scope
 * is never a pattern: `orders:*` as a requirement needs that very grant, or a wider one.
 */
export function scopeAllows(granted: string, required: string): boolean {
  if (granted === required || granted === '*') return true
  if (!granted.endsWith(':*') && !granted.endsWith('.*')) return false
  const stem = granted.slice(0, -1)
  return required.length > stem.length && required.startsWith(stem)
}

/** The required scopes that no granted scope allows, in their order. */
export function missingScopes(granted: readonly string[], required: readonly string[]): string[] {
  return required.filter((scope) => !granted.some((grant) => scopeAllows(grant, scope)))
}
