import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import { editedLineage, type LimitLineage } from '../../domain/keys/limit-lineage.ts'
import type { Provider, ProviderQuotas } from '../../domain/keys/provider.ts'
import type { ProviderStore } from '../../ports/keys.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import { type PublishChangeNeeds, publishChange } from './publish-change.ts'

export type ProviderSettings = Omit<Provider, 'providerId' | 'lineage' | 'createdAt' | 'updatedAt' | 'updatedBy'>

/** An absent field stays as it is, or takes its default in a new provider. */
export type ProviderChanges = Partial<Omit<ProviderSettings, 'quotas'>> & { readonly quotas?: Partial<ProviderQuotas> }

interface PutProviderNeeds extends PublishChangeNeeds {
  readonly providers: ProviderStore
  /** For a change that disables the provider, and so ends all its keys. */
  readonly ending: { readonly providers: ProviderStore }
  readonly keyLookup: Pick<KeyLookup, 'providerChanged'>
}

const ATTEMPTS = 8

const defaults: ProviderSettings = {
  ...{ name: null, status: 'active', failMode: 'open', rateLimits: [] },
  quotas: { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null },
}

/**
 * Creates a provider or changes the given settings of one. Resolves when the change is published to every instance. Throws
 * `conflict` after 8 lost races.
 */
export async function putProvider(
  needs: PutProviderNeeds,
  scope: OneProvider,
  changes: ProviderChanges,
  by: string,
): Promise<{ readonly provider: Provider; readonly created: boolean }> {
  const { keyLookup, clock } = needs
  const { providers } = changes.status === 'disabled' ? needs.ending : needs
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await providers.find(scope)
    const now = clock.now()
    const current = found?.value ?? defaults
    const settings = { ...current, ...changes, quotas: { ...current.quotas, ...changes.quotas } }
    const provider: Provider = {
      ...settings,
      lineage: lineageAfter(found?.value, settings, now),
      providerId: scope.providerId,
      createdAt: found?.value.createdAt ?? now,
      updatedAt: now,
      updatedBy: by,
    }
    const { providerId } = scope
    const written = await providers.put(scope, provider, found?.version ?? null).finally(() => {
      // Also when the write fails: its outcome is unknown then.
      keyLookup.providerChanged(providerId)
    })
    if (written === 'stored') {
      await publishChange(needs, { kind: 'provider', providerId })
      return { provider, created: found === undefined }
    }
  }
  throw new AppError('conflict', 'Others keep changing this provider. Try again.', { retryAfterSeconds: 1 })
}

/** An edit of anything else voids no lease. */
function lineageAfter(before: Provider | undefined, after: ProviderSettings, now: Date): LimitLineage | null {
  if (before === undefined) return null
  const limitsOf = ({ rateLimits, quotas }: ProviderSettings) => JSON.stringify([rateLimits, quotas])
  return limitsOf(before) === limitsOf(after) ? before.lineage : editedLineage(before, after.rateLimits, now)
}
