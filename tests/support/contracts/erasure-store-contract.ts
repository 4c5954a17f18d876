import { ulid } from 'ulid'
import { describe, expect, test } from 'vitest'
import type { ErasureStore, PendingErasure } from '../../../shared/ports/erasures.ts'
import { sampleProviderId } from '../samples/sample-keys.ts'

function sampleErasure(): PendingErasure {
  const requestedAt = new Date('2026-11-22T16:00:00.123Z')
  return { keyId: ulid(), providerId: sampleProviderId(), requestedAt, notBefore: requestedAt, pass: null }
}

/** The contract of every ErasureStore. */
export function erasureStoreContract(name: string, makeStore: () => ErasureStore): void {
  describe(`${name} as an erasure store`, () => {
    test('a key has one erasure under way: a second one leaves the first as it is', async () => {
      const store = makeStore()
      const erasure = sampleErasure()
      expect(await store.find(erasure.keyId)).toBeUndefined()
      expect(await store.open(erasure)).toBe('opened')
      expect(await store.open({ ...erasure, requestedAt: new Date() })).toBe('pending')
      expect((await store.find(erasure.keyId))?.value).toEqual(erasure)
    })

    test('a position is replaced only at the version that was read, and so is the removal', async () => {
      const store = makeStore()
      const erasure = sampleErasure()
      await store.open(erasure)
      const version = (await store.find(erasure.keyId))?.version ?? ''
      const pass = { begunAt: new Date('2026-11-22T16:05:00.000Z'), stage: 'late', after: 'a|b/c"雪' }
      const moved = { ...erasure, notBefore: new Date('2026-11-22T16:20:00.000Z'), pass }
      expect(await store.replace(moved, version)).toBe('replaced')
      expect(await store.replace(erasure, version)).toBe('stale')
      expect(await store.remove(erasure.keyId, version)).toBe('stale')
      const found = await store.find(erasure.keyId)
      expect(found?.value).toEqual(moved)
      expect(await store.remove(erasure.keyId, found?.version ?? '')).toBe('removed')
      expect(await store.remove(erasure.keyId, found?.version ?? '')).toBe('removed')
      expect(await store.replace(moved, found?.version ?? '')).toBe('stale')
      expect(await store.find(erasure.keyId)).toBeUndefined()
    })

    test('pages show every erasure once', async () => {
      const store = makeStore()
      const erasures = Array.from({ length: 23 }, sampleErasure)
      for (const erasure of erasures) await store.open(erasure)
      const found: PendingErasure[] = []
      for (let after: string | null = null; ; ) {
        const page: Awaited<ReturnType<ErasureStore['page']>> = await store.page({ limit: 10, after })
        found.push(...page.items)
        if (page.next === null) break
        after = page.next
      }
      const ids = erasures.map(({ keyId }) => keyId)
      expect(
        found
          .map(({ keyId }) => keyId)
          .filter((id) => ids.includes(id))
          .toSorted(),
      ).toEqual(ids.toSorted())
    })
  })
}
