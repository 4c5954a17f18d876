import { AppError } from '../domain/errors.ts'
import type { Provider } from '../domain/provider.ts'
import type { OneProvider } from '../domain/provider-scope.ts'
import type { Clock, ProviderStore } from '../ports.ts'
import type { KnownKeys } from './known-keys.ts'

export type ProviderSettings = Omit<Provider, 'providerId' | 'createdAt' | 'updatedAt' | 'updatedBy'>

interface PutProviderNeeds {
  readonly providers: ProviderStore
  readonly knownKeys: KnownKeys
  readonly clock: Clock
}

const TRIES = 8

/** Creates a provider or replaces its settings as a whole. Throws `conflict` when others keep winning. */
export async function putProvider(
  { providers, knownKeys, clock }: PutProviderNeeds,
  scope: OneProvider,
  settings: ProviderSettings,
  by: string,
): Promise<{ readonly provider: Provider; readonly created: boolean }> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const found = await providers.find(scope)
    const now = clock.now()
    const provider: Provider = {
      ...settings,
      providerId: scope.providerId,
      createdAt: found?.value.createdAt ?? now,
      updatedAt: now,
      updatedBy: by,
    }
    if ((await providers.put(scope, provider, found?.version ?? null)) === 'stored') {
      knownKeys.providerChanged(scope.providerId)
      return { provider, created: found === undefined }
    }
  }
  throw new AppError('conflict', 'Others keep changing this provider. Try again.', { retryAfterSeconds: 1 })
}
