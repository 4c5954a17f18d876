import { describe, expect, test } from 'vitest'
import { oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import type { Provider } from '../../../shared/domain/keys/provider.ts'
import type { ProviderStore } from '../../../shared/ports/keys.ts'
import { sampleProviderId } from '../samples/sample-keys.ts'

/** The contract of every ProviderStore. */
export function providerStoreContract(name: string, makeStore: () => ProviderStore): void {
  describe(`${name} as a ProviderStore`, () => {
    test.each([
      ['the smallest', {}],
      ['the largest', largest],
    ])('%s provider comes back exactly as it went in', async (_, change) => {
      const store = makeStore()
      const provider = sampleProvider(change)
      const scope = oneProvider(provider.providerId)
      expect(await store.find(scope)).toBeUndefined()
      expect(await store.put(scope, provider, null)).toBe('stored')
      expect((await store.find(scope))?.value).toStrictEqual(provider)
    })

    test('another provider’s scope does not reach it', async () => {
      const store = makeStore()
      const provider = sampleProvider()
      await store.put(oneProvider(provider.providerId), provider, null)
      expect(await store.find(oneProvider(sampleProviderId()))).toBeUndefined()
    })

    test('a put is stale when a provider exists, when none exists, and at an older version', async () => {
      const store = makeStore()
      const provider = sampleProvider()
      const scope = oneProvider(provider.providerId)
      const other = sampleProvider()
      await store.put(oneProvider(other.providerId), other, null)
      const otherVersion = (await store.find(oneProvider(other.providerId)))?.version ?? ''
      expect(await store.put(scope, provider, otherVersion)).toBe('stale')
      expect(await store.find(scope)).toBeUndefined()
      await store.put(scope, provider, null)
      expect(await store.put(scope, { ...provider, name: 'Other' }, null)).toBe('stale')
      const version = (await store.find(scope))?.version ?? ''
      expect(await store.put(scope, { ...provider, status: 'disabled' }, version)).toBe('stored')
      expect(await store.put(scope, { ...provider, name: 'Other' }, version)).toBe('stale')
      expect((await store.find(scope))?.value).toStrictEqual({ ...provider, status: 'disabled' })
    })
  })
}

const largest: Partial<Provider> = {
  name: '🏢'.repeat(64),
  status: 'disabled',
  failMode: 'closed',
  rateLimits: Array.from({ length: 10 }, (_, index) => ({
    name: `${index}`.padEnd(63, 'l'),
    limit: 1_000_000_000,
    windowSeconds: 86_400,
    strategy: 'fixed_window' as const,
  })),
  quotas: { requestsPerDay: 1, requestsPerMonth: Number.MAX_SAFE_INTEGER, maxKeys: 0, keysPerHour: 7 },
}

function sampleProvider(change: Partial<Provider> = {}): Provider {
  const at = new Date('2026-11-22T16:00:00.123Z')
  return {
    providerId: sampleProviderId(),
    name: null,
    status: 'active',
    failMode: 'open',
    rateLimits: [],
    quotas: { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null },
    createdAt: at,
    updatedAt: at,
    updatedBy: 'admin',
    lineage: null,
    ...change,
  }
}
