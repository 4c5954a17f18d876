import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { ProviderStore } from '../../ports/keys.ts'

/** A provider's settings. Throws `provider_not_found` for a provider that was never put. */
export async function getProvider(
  { providers }: { readonly providers: ProviderStore },
  scope: OneProvider,
): Promise<Provider> {
  const found = await providers.find(scope)
  if (found === undefined) throw new AppError('provider_not_found', 'There is no such provider.')
  return found.value
}
