import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { KeyStore } from '../../ports/keys.ts'
import { keyNotFound } from './change-key.ts'

/** One key, read from the store. Throws `key_not_found`. */
export async function getKey(
  { keys }: { readonly keys: Pick<KeyStore, 'findById'> },
  scope: ProviderScope,
  keyId: string,
): Promise<Key> {
  const found = await keys.findById(scope, keyId)
  if (found === undefined) throw keyNotFound()
  return found.value
}
