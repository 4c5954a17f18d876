import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import { type PublishChangeNeeds, publishChange } from './publish-change.ts'

export interface ChangeKeyNeeds extends PublishChangeNeeds {
  readonly keys: KeyStore
  /** For changes that end keys: no other calls can take their places. */
  readonly ending: { readonly keys: KeyStore }
  readonly keyLookup: KeyLookup
}

const ATTEMPTS = 8

/**
 * Reads a key, decides, and replaces it with one ETag-guarded write; after a lost race, reads and decides again.
 * `decide` returns the changed key, or the same object for no change, or throws. Resolves when the change is published
 * to every instance. Publishes an unchanged key too: an earlier try may have crashed before it did. Throws
 * `key_not_found` for a key that is missing or outside the scope, and `conflict` after 8 lost races.
 */
export async function changeKey(
  needs: ChangeKeyNeeds,
  scope: ProviderScope,
  keyId: string,
  decide: (key: Key) => Key,
): Promise<Key> {
  const { keys, keyLookup } = needs
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await keys.findById(scope, keyId)
    if (found === undefined) throw keyNotFound()
    const changed = decide(found.value)
    if (changed === found.value) return publish(needs, changed)
    // Also when the write fails: its outcome is unknown then.
    const written = await keys.replace(changed, found.version).finally(() => keyLookup.keyChanged(changed.digest))
    if (written === 'replaced') return publish(needs, changed)
  }
  throw new AppError('conflict', 'Others keep changing this key. Try again.', { retryAfterSeconds: 1 })
}

/** Changes a key as `changeKey` does, where the change ends it. */
export function endKey(
  needs: ChangeKeyNeeds,
  scope: ProviderScope,
  keyId: string,
  decide: (key: Key) => Key,
): Promise<Key> {
  return changeKey({ ...needs, keys: needs.ending.keys }, scope, keyId, decide)
}

async function publish(needs: ChangeKeyNeeds, key: Key): Promise<Key> {
  const { digest, keyId, providerId } = key
  // The text stays in the key's row: no instance needs it, and it would have to be erased from every one.
  const revocation = key.revocation && { ...key.revocation, text: null }
  const erased = key.erasedAt === undefined ? {} : { erased: true as const }
  if (key.erasedAt !== undefined) needs.keyLookup.eraseHere(key)
  else if (revocation !== null) needs.keyLookup.revokeHere({ digest, revocation })
  await publishChange(needs, { kind: 'key', digest, keyId, providerId, revocation, ...erased })
  return key
}

/** One message for a missing key and for another provider's key: the caller must not be able to tell them apart. */
export function keyNotFound(): AppError {
  return new AppError('key_not_found', 'There is no such key.')
}
