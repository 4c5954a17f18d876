/** What a management key may do to this API. */
export type ManagementScope =
  | 'keys:read'
  | 'keys:write'
  | 'keys:revoke'
  | 'keys:validate'
  | 'metrics:read'
  | 'usage:read'
  | 'usage:write'
  | 'providers:read'
  | 'providers:write'

/**
 * Whether a granted scope allows a required one. `*` allows everything; a grant that ends in `:*` or `.*` allows
 * whatever begins with the part before its star and goes on; anywhere else a star is an ordinary character. A required
 * scope is never a pattern: requiring `orders:*` asks for that grant, or for a wider one.
 */
export function scopeAllows(granted: string, required: string): boolean {
  if (granted === required || granted === '*') return true
  if (!granted.endsWith(':*') && !granted.endsWith('.*')) return false
  const stem = granted.slice(0, -1)
  return required.length > stem.length && required.startsWith(stem)
}

/** Those of `required` that no scope in `granted` allows, in their order. */
export function missingScopes(granted: readonly string[], required: readonly string[]): string[] {
  return required.filter((scope) => !granted.some((grant) => scopeAllows(grant, scope)))
}
