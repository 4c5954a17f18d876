import { narrow, type OneProvider } from '../domain/access/provider-scope.ts'
import { AppError } from '../domain/errors.ts'
import type { Caller } from './authenticate.ts'
import { invalidRequest } from './read-request.ts'

/**
 * The one provider that a call is about: the one it names, or the caller's own. Throws `provider_not_found` for a
 * provider outside the caller's scope, whether it exists or not, and `invalid_request` where an operator names none.
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
