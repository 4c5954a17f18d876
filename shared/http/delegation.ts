import { AppError } from '../domain/errors.ts'
import type { Key, KeyKind } from '../domain/key.ts'
import type { Caller } from './authenticate.ts'

/**
 * Throws `forbidden` where a caller would make, change or rotate a management key that can do more than itself: more
 * scopes, or more providers. Keys of kind `api` hold the provider's own scopes, which mean nothing here.
 */
export function refuseEscalation(
  caller: Caller,
  key: Pick<Key, 'scopes' | 'providerId'> & { readonly kind: KeyKind },
): void {
  if (key.kind !== 'management' || caller.scopes === null) return
  const held = caller.scopes
  const wider = key.scopes.filter((scope) => !held.includes(scope))
  if (wider.length > 0) {
    throw new AppError('forbidden', `A management key cannot give what it does not have: ${wider.join(', ')}.`)
  }
  if (key.providerId === '*' && caller.scope.kind !== 'every') {
    throw new AppError('forbidden', 'A management key of one provider cannot give a right over all.')
  }
}
