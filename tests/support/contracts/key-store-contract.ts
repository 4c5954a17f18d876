import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { everyProvider, type OneProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import type { Key } from '../../../shared/domain/keys/key.ts'
import type { KeyStore } from '../../../shared/ports/keys.ts'
import { anyKey, largestKey, sampleDigest, sampleKey, sampleProviderId } from '../samples/sample-keys.ts'

/** The contract of every KeyStore. */
export function keyStoreContract(name: string, makeStore: () => KeyStore): void {
  describe(`${name} as a KeyStore`, () => {
    creating(makeStore)
    finding(makeStore)
    aliasing(makeStore)
    replacing(makeStore)
    paging(makeStore)
  })
}

function creating(makeStore: () => KeyStore): void {
  test('any key comes back exactly as it went in', async () => {
    const store = makeStore()
    await fc.assert(
      fc.asyncProperty(anyKey, async (key) => {
        // Each run has ids of its own, also when fast-check runs an input again to shrink it.
        const fresh = { ...key, keyId: sampleKey().keyId, digest: sampleDigest() }
        expect(await store.create(fresh)).toBe('created')
        expect(await store.findByDigest(everyProvider, fresh.digest)).toStrictEqual(fresh)
      }),
      { numRuns: 50 },
    )
  })

  test('a key with every field at its limit comes back exactly as it went in', async () => {
    const store = makeStore()
    const key = largestKey()
    expect(await store.create(key)).toBe('created')
    expect((await store.findById(everyProvider, key.keyId))?.value).toStrictEqual(key)
  })

  test('a second key with the same id, or with the same digest, is refused and changes nothing', async () => {
    const store = makeStore()
    const key = sampleKey()
    await store.create(key)
    const sameId = sampleKey({ keyId: key.keyId, providerId: key.providerId })
    expect(await store.create(sameId)).toBe('exists')
    const sameDigest = sampleKey({ digest: key.digest, providerId: key.providerId })
    expect(await store.create(sameDigest)).toBe('exists')
    expect(await store.findById(everyProvider, sameDigest.keyId)).toBeUndefined()
    expect(await store.findByDigest(everyProvider, sameId.digest)).toBeUndefined()
    expect((await store.findById(everyProvider, key.keyId))?.value).toStrictEqual(key)
    expect(await everyPage(store, oneProvider(key.providerId), 10)).toStrictEqual([key])
  })

  test('of many concurrent creates of one id at most one wins', async () => {
    const store = makeStore()
    const keyId = sampleKey().keyId
    const rivals = Array.from({ length: 5 }, () => sampleKey({ keyId }))
    const results = await Promise.all(rivals.map((key) => store.create(key)))
    const winners = rivals.filter((_, index) => results[index] === 'created')
    expect(winners.length).toBeLessThanOrEqual(1)
    const alive = await Promise.all(rivals.map(({ digest }) => store.findByDigest(everyProvider, digest)))
    expect(alive.filter((key) => key !== undefined)).toStrictEqual(winners)
    expect((await store.findById(everyProvider, keyId))?.value).toStrictEqual(winners[0])
  })
}

function finding(makeStore: () => KeyStore): void {
  test('a created key is found by digest and by id, in its provider’s scope and in the scope of all', async () => {
    const store = makeStore()
    const key = sampleKey()
    expect(await store.create(key)).toBe('created')
    for (const scope of [everyProvider, oneProvider(key.providerId)]) {
      expect(await store.findByDigest(scope, key.digest)).toStrictEqual(key)
      expect((await store.findById(scope, key.keyId))?.value).toStrictEqual(key)
    }
  })

  test('another provider’s key is undefined, like a missing key', async () => {
    const store = makeStore()
    const key = sampleKey()
    await store.create(key)
    const stranger = oneProvider(sampleProviderId())
    expect(await store.findByDigest(stranger, key.digest)).toBeUndefined()
    expect(await store.findById(stranger, key.keyId)).toBeUndefined()
    expect(await everyPage(store, stranger, 10)).toStrictEqual([])
  })

  test('ids and digests that no key could have are undefined', async () => {
    const store = makeStore()
    for (const id of ['', 'a/b', 'a\\b', 'a#b', 'a?b', 'a\nb', "a'b", '%2F', '雪'.repeat(200), '\ud800']) {
      expect(await store.findById(everyProvider, id)).toBeUndefined()
      expect(await store.findByDigest(everyProvider, id)).toBeUndefined()
    }
  })
}

function aliasing(makeStore: () => KeyStore): void {
  test('a key with an alias is found by both, under its digest; adding the alias again changes nothing', async () => {
    const store = makeStore()
    const [key, alias] = [sampleKey(), sampleDigest()]
    await store.create(key)
    expect(await store.addAlias(key.digest, alias)).toBe('added')
    expect(await store.addAlias(key.digest, alias)).toBe('added')
    for (const digest of [key.digest, alias]) {
      expect(await store.findByDigest(everyProvider, digest)).toStrictEqual(key)
      expect(await store.findByDigest(oneProvider(sampleProviderId()), digest)).toBeUndefined()
    }
    const found = await store.findById(everyProvider, key.keyId)
    const rehashed = { ...key, alias, pepperVersion: 'p2' }
    expect(await store.replace(rehashed, found?.version ?? '')).toBe('replaced')
    expect(await store.findByDigest(everyProvider, alias)).toStrictEqual(rehashed)
    expect(await everyPage(store, oneProvider(key.providerId), 10)).toStrictEqual([rehashed])
  })

  test('an alias that another key has, as its digest or as its alias, is taken', async () => {
    const store = makeStore()
    const [key, other, alias] = [sampleKey(), sampleKey(), sampleDigest()]
    await store.create(key)
    await store.create(other)
    await store.addAlias(other.digest, alias)
    expect(await store.addAlias(key.digest, alias)).toBe('taken')
    expect(await store.addAlias(key.digest, other.digest)).toBe('taken')
    expect(await store.findByDigest(everyProvider, alias)).toStrictEqual(other)
    expect(await store.findByDigest(everyProvider, other.digest)).toStrictEqual(other)
  })

  test('no key is created under an alias', async () => {
    const store = makeStore()
    const [key, alias] = [sampleKey(), sampleDigest()]
    await store.create(key)
    await store.addAlias(key.digest, alias)
    expect(await store.create(sampleKey({ digest: alias }))).toBe('exists')
    expect(await store.findByDigest(everyProvider, alias)).toStrictEqual(key)
  })
}

function replacing(makeStore: () => KeyStore): void {
  test('a replacement at the current version is stored, and moves the version', async () => {
    const store = makeStore()
    const key = sampleKey()
    await store.create(key)
    const before = await store.findById(everyProvider, key.keyId)
    const changed: Key = { ...key, enabled: false, name: 'Renamed', metadata: { a: [1, null] } }
    expect(await store.replace(changed, before?.version ?? '')).toBe('replaced')
    const after = await store.findById(everyProvider, key.keyId)
    expect(after?.value).toStrictEqual(changed)
    expect(after?.version).not.toBe(before?.version)
  })

  test('a replacement at an older version, or of a missing key, is stale and changes nothing', async () => {
    const store = makeStore()
    const key = sampleKey()
    await store.create(key)
    const version = (await store.findById(everyProvider, key.keyId))?.version ?? ''
    await store.replace({ ...key, name: 'first' }, version)
    expect(await store.replace({ ...key, name: 'second' }, version)).toBe('stale')
    expect((await store.findById(everyProvider, key.keyId))?.value.name).toBe('first')
    const missing = sampleKey()
    expect(await store.replace(missing, version)).toBe('stale')
    expect(await store.findByDigest(everyProvider, missing.digest)).toBeUndefined()
  })
}

function paging(makeStore: () => KeyStore): void {
  test('pages hold every key of the provider exactly once, at any limit, newest first within a page', async () => {
    const store = makeStore()
    const providerId = sampleProviderId()
    const keys = Array.from({ length: 23 }, (_, index) =>
      sampleKey({ providerId, createdAt: new Date(Date.UTC(2026, 10, 1, index % 7)) }),
    )
    await Promise.all([...keys, sampleKey()].map((key) => store.create(key)))
    for (const limit of [1, 2, 7, 22, 23, 24, 100]) {
      const listed = await everyPage(store, oneProvider(providerId), limit)
      expect(listed.map(({ keyId }) => keyId).toSorted()).toStrictEqual(keys.map(({ keyId }) => keyId).toSorted())
    }
  })

  test('the pages over all providers hold every key exactly once', async () => {
    const store = makeStore()
    const keys = Array.from({ length: 12 }, (_, index) => sampleKey(index === 0 ? { providerId: '*' } : {}))
    await Promise.all(keys.map((key) => store.create(key)))
    const listed: string[] = []
    for (let after: string | null = null; ; ) {
      const page = await store.pageAll(everyProvider, { limit: 5, after })
      expect(page.items.length).toBeLessThanOrEqual(5)
      listed.push(...page.items.map(({ keyId }) => keyId))
      if (page.next === null) break
      after = page.next
    }
    expect(new Set(listed).size).toBe(listed.length)
    expect(keys.filter(({ keyId }) => !listed.includes(keyId))).toEqual([])
  })

  test('a management key over all providers is listed under `*`, and only there', async () => {
    const store = makeStore()
    const key = sampleKey({ providerId: '*', kind: 'management', environment: null })
    await store.create(key)
    expect(await everyPage(store, oneProvider('*'), 100)).toContainEqual(key)
    expect(await store.findById(oneProvider(sampleProviderId()), key.keyId)).toBeUndefined()
  })
}

/** All keys of the pages. Checks that each page is within the limit and newest first. */
export async function everyPage(store: KeyStore, scope: OneProvider, limit: number): Promise<Key[]> {
  const keys: Key[] = []
  for (let after: string | null = null; ; ) {
    const page = await store.page(scope, { limit, after })
    const times = page.items.map(({ createdAt }) => createdAt.getTime())
    expect(times).toStrictEqual(times.toSorted((left, right) => right - left))
    expect(times.length).toBeLessThanOrEqual(limit)
    keys.push(...page.items)
    if (page.next === null) return keys
    after = page.next
  }
}
