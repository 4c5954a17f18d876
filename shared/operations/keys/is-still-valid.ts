import { covers, type ProviderScope } from '../../domain/access/provider-scope.ts'
import { judge } from '../../domain/keys/verdict.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import type { ValidateKeyInput } from './validate-key.ts'

/**
 * Whether a key that was VALID still is, apart from its limits. Takes nothing and counts nothing. Throws
 * `store_unavailable` when the key cannot be looked up.
 */
export async function isStillValid(
  { keyLookup, clock }: { readonly keyLookup: KeyLookup; readonly clock: Clock },
  scope: ProviderScope,
  { secret, requirements }: ValidateKeyInput,
): Promise<boolean> {
  const { value: key } = await keyLookup.find(secret, false)
  if (key === undefined || !covers(scope, key.providerId)) return false
  const { value: provider } = await keyLookup.findProvider(key.providerId, false)
  return judge({ key, provider, requirements, now: clock.now() }).code === 'VALID'
}
