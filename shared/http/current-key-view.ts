import type { KeyView } from '../contracts/keys.ts'
import type { Key } from '../domain/key.ts'
import { oneProvider } from '../domain/provider-scope.ts'
import type { Services } from '../services.ts'
import { toKeyView } from './key-view.ts'

/** A key that is in use as the API shows it, with its last use as of the last roll-up. */
export async function currentKeyView(services: Pick<Services, 'reports' | 'clock'>, key: Key): Promise<KeyView> {
  const lastUsed = await services.reports.lastUsed(oneProvider(key.providerId), [key.keyId])
  return toKeyView(key, services.clock.now(), lastUsed.get(key.keyId))
}
