import type { Services } from '../../app/services.ts'
import type { KeyView } from '../../contracts/keys.ts'
import { oneProvider } from '../../domain/access/provider-scope.ts'
import type { Key } from '../../domain/keys/key.ts'
import { toKeyView } from './keys.ts'

/** A key that is in use as the API shows it, with its last use as of the last roll-up. */
export async function currentKeyView(services: Pick<Services, 'reports' | 'clock'>, key: Key): Promise<KeyView> {
  const lastUsed = await services.reports.lastUsed(oneProvider(key.providerId), [key.keyId])
  return toKeyView(key, services.clock.now(), lastUsed.get(key.keyId))
}
