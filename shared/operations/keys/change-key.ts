import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import { type PublishChangeNeeds, publishChange } from './publish-change.ts'

export interface ChangeKeyNeeds extends PublishChangeNeeds {
  readonly keys: KeyStore
  readonly keyLookup: KeyLookup
}

const TRIES = 8

/**
 * Reads a key, decides, and replaces it if nobody changed it in between; else reads and decides again. `decide` returns
 * the changed key, or the same object to leave it alone, or throws. Resolves when every instance is told, and tells again
 * of what was left alone: an earlier try may have died before it could. Throws `key_not_found` for a key that is missing
 * or outside the scope, and `conflict` when others keep winning.
 */
export async function changeKey(
  needs: ChangeKeyNeeds,
  scope: ProviderScope,
  keyId: string,
  decide: (key: Key) => Key,
): Promise<Key> {
  const { keys, keyLookup } = needs
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const found = await keys.findById(scope, keyId)
    if (found === undefined) throw keyNotFound()
    const changed = decide(found.value)
    if (changed === found.value) return tellAll(needs, changed)
    // Also where the write fails: nobody knows then whether it was carried out.
    const written = await keys.replace(changed, found.version).finally(() => keyLookup.keyChanged(changed.digest))
    if (written === 'replaced') return tellAll(needs, changed)
  }
  throw new AppError('conflict', 'Others keep changing this key. Try again.', { retryAfterSeconds: 1 })
}

async function tellAll(needs: ChangeKeyNeeds, key: Key): Promise<Key> {
  const { digest, keyId, providerId, revocation } = key
  if (revocation !== null) needs.keyLookup.revokeHere(key)
  await publishChange(needs, { kind: 'key', digest, keyId, providerId, revocation })
  return key
}

/** One sentence for a missing key and for another provider's: which of the two it is must not show. */
export function keyNotFound(): AppError {
  return new AppError('key_not_found', 'There is no such key.')
}
