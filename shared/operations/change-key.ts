import { AppError } from '../domain/errors.ts'
import type { Key } from '../domain/key.ts'
import type { ProviderScope } from '../domain/provider-scope.ts'
import type { KeyStore } from '../ports.ts'
import type { KnownKeys } from './known-keys.ts'

export interface ChangeKeyNeeds {
  readonly keys: KeyStore
  readonly knownKeys: KnownKeys
}

const TRIES = 8

/**
 * Reads a key, decides, and replaces it if nobody changed it in between; else reads and decides again. `decide` returns
 * the changed key, or the same object to leave it alone, or throws. Throws `key_not_found` for a key that is missing or
 * outside the scope, and `conflict` when others keep winning.
 */
export async function changeKey(
  { keys, knownKeys }: ChangeKeyNeeds,
  scope: ProviderScope,
  keyId: string,
  decide: (key: Key) => Key,
): Promise<Key> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const found = await keys.findById(scope, keyId)
    if (found === undefined) throw keyNotFound()
    const changed = decide(found.value)
    if (changed === found.value) return changed
    // Also where the write fails: nobody knows then whether it was carried out.
    const written = await keys.replace(changed, found.version).finally(() => knownKeys.keyChanged(changed.digest))
    if (written === 'replaced') return changed
  }
  throw new AppError('conflict', 'Others keep changing this key. Try again.', { retryAfterSeconds: 1 })
}

/** One sentence for a missing key and for another provider's: which of the two it is must not show. */
export function keyNotFound(): AppError {
  return new AppError('key_not_found', 'There is no such key.')
}
