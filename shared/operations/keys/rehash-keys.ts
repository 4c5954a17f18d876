import { everyProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { Clock, Log } from '../../ports/runtime.ts'
import type { KeyDigest } from '../key-digests.ts'
import { throttledWarnings } from '../throttled-warnings.ts'

interface RehashNeeds {
  readonly keys: Pick<KeyStore, 'findById' | 'addAlias' | 'replace'>
  readonly clock: Clock
  readonly log: Log
}

/** Keys beyond this bound are rehashed at a later read. */
const WAITING_MAX = 1000
const ATTEMPTS = 3

/**
 * Returns a function that makes a key found by its digest under the newest pepper: in the background, one key at a time,
 * each key once at a time. It never throws: the next read of the key from the store tries again.
 */
export function rehashKeys(needs: RehashNeeds): (key: Pick<Key, 'keyId'>, newest: KeyDigest) => void {
  const warn = throttledWarnings(needs.log, needs.clock)
  const waiting = new Map<string, KeyDigest>()
  let isRunning = false

  async function run(): Promise<void> {
    for (const [keyId, newest] of waiting) {
      try {
        await rehashKey(needs, keyId, newest)
      } catch (error) {
        const cause = error instanceof AppError ? error.code : String(error)
        warn('A key could not be rehashed: its next use tries again.', { cause })
      }
      waiting.delete(keyId)
    }
    isRunning = false
  }

  return ({ keyId }, newest) => {
    if (waiting.size >= WAITING_MAX || waiting.has(keyId)) return
    waiting.set(keyId, newest)
    if (isRunning) return
    isRunning = true
    void run()
  }
}

/**
 * Adds an alias: the digest under the newest pepper. The key's own row stays where it is, so there is one authoritative
 * row at every moment, and revocations, the feed and caches name it as before. The alias is written first and confirmed
 * by the key's row: a crash in between leaves an alias that no lookup accepts, and the key under its older pepper.
 */
export async function rehashKey(
  { keys }: Pick<RehashNeeds, 'keys'>,
  keyId: string,
  { digest: alias, pepperVersion }: KeyDigest,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await keys.findById(everyProvider, keyId)
    if (found === undefined || found.value.digest === alias || found.value.alias === alias) return
    if ((await keys.addAlias(found.value.digest, alias)) === 'taken') {
      throw new AppError('conflict', 'Another key has this digest.')
    }
    if ((await keys.replace({ ...found.value, alias, pepperVersion }, found.version)) === 'replaced') return
  }
}
