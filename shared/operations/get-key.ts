import type { Key } from '../domain/key.ts'
import { oneProvider, type ProviderScope } from '../domain/provider-scope.ts'
import type { KeyStore } from '../ports.ts'
import type { UsageReports } from '../ports-reporting.ts'
import { keyNotFound } from './change-key.ts'

interface GetKeyNeeds {
  readonly keys: KeyStore
  readonly reports: UsageReports
}

/** A key and when it was last used, ISO 8601, as of the last roll-up. Throws `key_not_found`. */
export async function getKey(
  { keys, reports }: GetKeyNeeds,
  scope: ProviderScope,
  keyId: string,
): Promise<{ readonly key: Key; readonly lastUsedAt: string | undefined }> {
  const key = (await keys.findById(scope, keyId))?.value
  if (key === undefined) throw keyNotFound()
  const lastUsed = await reports.lastUsed(oneProvider(key.providerId), [keyId])
  return { key, lastUsedAt: lastUsed.get(keyId) }
}
