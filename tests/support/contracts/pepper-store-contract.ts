import { describe, expect, test } from 'vitest'
import type { CountedKey, PepperRecord } from '../../../shared/domain/keys/pepper-count.ts'
import type { KeyStore, PepperStore } from '../../../shared/ports/keys.ts'
import { sampleDigest, sampleKey } from '../samples/sample-keys.ts'

const at = new Date('2026-11-22T16:00:00.123Z')

/** A store without a record and without keys, and the keys that it counts. */
interface PepperStoreUnderTest {
  readonly store: PepperStore
  readonly keys: Pick<KeyStore, 'create' | 'addAlias'>
}

/** The contract of every PepperStore. */
export function pepperStoreContract(name: string, make: () => PepperStoreUnderTest): void {
  describe(`${name} as a PepperStore`, () => {
    test('a record comes back exactly as it went in', async () => {
      const records: PepperRecord[] = [
        { startedAt: {}, counted: null, counting: null },
        {
          startedAt: { p1: at, p2: at },
          counted: { at, keys: { p1: 0, p2: 1_000_000_000 } },
          counting: { at, keys: { p1: 3 }, after: 'any ?#/ text' },
        },
      ]
      for (const record of records) {
        const { store } = make()
        expect(await store.find()).toBeUndefined()
        expect(await store.put(record, null)).toBe('stored')
        expect((await store.find())?.value).toStrictEqual(record)
      }
    })

    test('a put is stale when a record exists, when none exists, and at an older version', async () => {
      const { store } = make()
      const record = (version: string): PepperRecord => ({
        startedAt: { [version]: at },
        counted: null,
        counting: null,
      })
      await store.put(record('p1'), null)
      expect(await store.put(record('p2'), null)).toBe('stale')
      const version = (await store.find())?.version ?? ''
      expect(await store.put(record('p3'), version)).toBe('stored')
      expect(await store.put(record('p4'), version)).toBe('stale')
      expect((await store.find())?.value).toStrictEqual(record('p3'))
      expect(await make().store.put(record('p5'), version)).toBe('stale')
    })

    test('the pages hold every key of every provider exactly once, and no alias', async () => {
      const { store, keys } = make()
      expect(await everyKey(store)).toStrictEqual([])
      const revocation = { at, by: 'admin', reason: 'policy', text: null } as const
      const ends = [{ revocation }, { expiresAt: at }, { graceUntil: at }, {}, {}, {}, {}]
      const made = ends.map((end, index) => sampleKey({ pepperVersion: `p${index}`, ...end }))
      for (const key of made) {
        await keys.create(key)
        await keys.addAlias(key.digest, sampleDigest())
      }
      const counted = made.map((key) => ({
        ...{ pepperVersion: key.pepperVersion, revocation: key.revocation },
        ...{ expiresAt: key.expiresAt, graceUntil: key.graceUntil },
      }))
      const found = await everyKey(store)
      expect(found.toSorted((a, b) => (a.pepperVersion < b.pepperVersion ? -1 : 1))).toStrictEqual(counted)
    })
  })
}

async function everyKey(store: PepperStore): Promise<CountedKey[]> {
  const found: CountedKey[] = []
  for (let after: string | null = null; ; ) {
    const page = await store.keys(after)
    found.push(...page.items)
    if (page.next === null) return found
    after = page.next
  }
}
