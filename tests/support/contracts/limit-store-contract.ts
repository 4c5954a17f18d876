import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Limit } from '../../../shared/domain/limits/limit.ts'
import type { LimitRecord } from '../../../shared/domain/limits/limit-record.ts'
import type { LimitStore } from '../../../shared/ports/limits.ts'

/** The contract of every LimitStore. */
export function limitStoreContract(name: string, makeStore: () => LimitStore): void {
  describe(`${name} as a LimitStore`, () => {
    test('a record comes back as it went in, and does not exist before', async () => {
      const [store, limit] = [makeStore(), sampleLimit()]
      expect(await store.read(limit)).toBeUndefined()
      const record = sampleRecord()
      const result = await store.write(limit, record, undefined, tomorrow())
      expect(result.kind).toBe('written')
      expect(await store.read(limit)).toEqual({ record, version: result.kind === 'written' ? result.version : '' })
    })

    test('of many concurrent writes from one state exactly one wins; the others get the stored record', async () => {
      const [store, limit] = [makeStore(), sampleLimit()]
      let version: string | undefined
      for (let round = 0; round < 3; round++) {
        const rivals = Array.from({ length: 5 }, (_, index) => sampleRecord(`round${round}-${index}`))
        const before = version
        const results = await Promise.all(rivals.map((record) => store.write(limit, record, before, tomorrow())))
        const stored = await store.read(limit)
        const winners = rivals.filter((_, index) => results[index]?.kind === 'written')
        const returned = results.flatMap((result) => (result.kind === 'stale' ? [result.found] : []))
        expect(winners).toEqual([stored?.record])
        expect(returned).toEqual(Array.from({ length: 4 }, () => stored))
        version = stored?.version
      }
    })

    test('a record that was never written cannot be replaced', async () => {
      const [store, limit] = [makeStore(), sampleLimit()]
      const first = await store.write(sampleLimit(), sampleRecord(), undefined, tomorrow())
      const version = first.kind === 'written' ? first.version : ''
      expect(await store.write(limit, sampleRecord(), version, tomorrow())).toEqual({ kind: 'stale', found: undefined })
    })

    test('limits of another name or subject are separate; an edited or renamed limit keeps its record', async () => {
      const [store, limit] = [makeStore(), sampleLimit()]
      await store.write(limit, sampleRecord(), undefined, tomorrow())
      expect(await store.read({ ...limit, name: 'other' })).toBeUndefined()
      expect(await store.read({ ...limit, subject: `${limit.subject}x` })).toBeUndefined()
      expect(await store.read({ ...limit, record: 'other' })).toBeUndefined()
      expect(await store.read({ ...limit, window: { kind: 'fixed', seconds: 60 } })).toBeDefined()
      expect(
        await store.read({ ...limit, limit: 7, version: 3, window: { kind: 'sliding', seconds: 1 } }),
      ).toBeDefined()
      expect(await store.read({ ...limit, name: 'renamed', record: limit.name, holder: 'k' })).toBeDefined()
    })

    test('a long subject, a full ring, 400 writers and large numbers can be stored', async () => {
      const store = makeStore()
      const limit = { ...sampleLimit(), subject: `caller:${'a'.repeat(150)}`, name: 'n'.repeat(63) }
      const record: LimitRecord = {
        division: 's86400000/60',
        policy: { version: 1.8e12, limit: 1_000_000_000 },
        cells: new Map(Array.from({ length: 120 }, (_, index) => [30_000_000_000 + index, 1_000_000_000_000])),
        writers: new Map(
          Array.from({ length: 400 }, (_, index) => [`writer-${index}`.padEnd(12, 'x'), { write: 1e6, atMs: 1.8e12 }]),
        ),
      }
      await store.write(limit, record, undefined, tomorrow())
      expect((await store.read(limit))?.record).toEqual(record)
    })
  })
  limitStoreTimes(name, makeStore)
}

function limitStoreTimes(name: string, makeStore: () => LimitStore): void {
  describe(`${name} as a LimitStore`, () => {
    test('it returns its time with every write, and on request', async () => {
      const store = makeStore()
      const written = await store.write(sampleLimit(), sampleRecord(), undefined, tomorrow())
      const at = written.kind === 'written' ? written.at : undefined
      const [first, second] = [await store.tellTime(), await store.tellTime()]
      for (const instant of [at, first, second])
        expect((instant?.toMs ?? 0) - (instant?.fromMs ?? 0)).toBeGreaterThan(0)
      expect(first.toMs).toBeGreaterThan(at?.fromMs ?? 0)
      expect(second.toMs).toBeGreaterThan(first.fromMs)
    })
  })
}

const tomorrow = () => new Date(Date.parse('2026-11-23T16:00:00.000Z'))

function sampleLimit(): Limit {
  return { subject: `key:${randomUUID()}`, name: 'burst', limit: 100, window: { kind: 'sliding', seconds: 60 } }
}

function sampleRecord(writer: string = randomUUID()): LimitRecord {
  return {
    division: 's60000/60',
    policy: { version: 0, limit: 100 },
    cells: new Map([
      [1_795_363_200, 3],
      [1_795_363_500, 12],
    ]),
    writers: new Map([[writer, { write: 1, atMs: 1_795_363_200_000 }]]),
  }
}
