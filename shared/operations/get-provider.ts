import { AppError } from '../domain/errors.ts'
import type { Provider } from '../domain/provider.ts'
import type { OneProvider } from '../domain/provider-scope.ts'
import type { ProviderStore } from '../ports.ts'

/** A provider's settings. Throws `provider_not_found` for one that was never put. */
export async function getProvider(
  { providers }: { readonly providers: ProviderStore },
  scope: OneProvider,
): Promise<Provider> {
  const found = await providers.find(scope)
  if (found === undefined) throw new AppError('provider_not_found', 'There is no such provider.')
  return found.value
}
