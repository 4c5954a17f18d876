import { describe, expect, test } from 'vitest'
import { oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import type { KeyCountStore } from '../../../shared/ports/keys.ts'
import { sampleProviderId } from '../samples/sample-keys.ts'

const countedAt = new Date('2026-11-22T16:00:00.123Z')

/** The contract of every KeyCountStore. */
export function keyCountStoreContract(name: string, makeStore: () => KeyCountStore): void {
  describe(`${name} as a KeyCountStore`, () => {
    test.each([0, 300])('a count with %i pending keys comes back exactly as it went in', async (pendingKeys) => {
      const store = makeStore()
      const scope = oneProvider(sampleProviderId())
      const pending = Array.from({ length: pendingKeys }, (_, index) => ({
        ...{ keyId: String(index).padStart(26, '0'), since: countedAt },
      }))
      const count = { keys: 1_000_000_000_000, pending, countedAt }
      expect(await store.find(scope)).toBeUndefined()
      expect(await store.put(scope, count, null)).toBe('stored')
      expect((await store.find(scope))?.value).toStrictEqual(count)
      expect(await store.find(oneProvider(sampleProviderId()))).toBeUndefined()
    })

    test('a put is stale when a count exists, when none exists, and at an older version', async () => {
      const store = makeStore()
      const [scope, other] = [oneProvider(sampleProviderId()), oneProvider(sampleProviderId())]
      const count = (keys: number) => ({ keys, pending: [], countedAt })
      await store.put(other, count(9), null)
      expect(await store.put(scope, count(1), (await store.find(other))?.version ?? '')).toBe('stale')
      await store.put(scope, count(1), null)
      expect(await store.put(scope, count(2), null)).toBe('stale')
      const version = (await store.find(scope))?.version ?? ''
      expect(await store.put(scope, count(3), version)).toBe('stored')
      expect(await store.put(scope, count(4), version)).toBe('stale')
      expect((await store.find(scope))?.value.keys).toBe(3)
    })

    test('of many writers at one version one wins', async () => {
      const store = makeStore()
      const scope = oneProvider(sampleProviderId())
      const puts = Array.from({ length: 10 }, (_, keys) => store.put(scope, { keys, pending: [], countedAt }, null))
      expect((await Promise.all(puts)).filter((result) => result === 'stored')).toHaveLength(1)
    })
  })
}
