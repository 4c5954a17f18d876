import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { IdempotencyRecord, IdempotencyStore, StoredAnswer } from '../../../shared/ports/idempotency.ts'
import { sampleDigest } from '../samples/sample-keys.ts'

/** The contract of every IdempotencyStore. */
export function idempotencyStoreContract(name: string, makeStore: () => IdempotencyStore): void {
  describe(`${name} as an IdempotencyStore`, () => {
    test('of many concurrent inserts of one record exactly one wins, and its record is found', async () => {
      const store = makeStore()
      const first = sampleRecord()
      const rivals = Array.from({ length: 5 }, () => sampleRecord({ ...address(first) }))
      const results = await Promise.all(rivals.map((record) => store.insert(record)))
      const winners = rivals.filter((_, index) => results[index] === 'inserted')
      expect(winners.length).toBe(1)
      expect((await store.find(first.callerId, first.keyDigest))?.value).toStrictEqual(winners[0])
    })

    test('one caller’s record is not another’s', async () => {
      const store = makeStore()
      const record = sampleRecord()
      await store.insert(record)
      expect(await store.find(`${record.callerId}2`, record.keyDigest)).toBeUndefined()
      expect(await store.insert({ ...record, callerId: `${record.callerId}2` })).toBe('inserted')
    })

    test('an answer comes back exactly as it went in, of any length and any characters', async () => {
      const store = makeStore()
      const text = fc.string({ unit: 'grapheme', maxLength: 200 }).map((part) => part.repeat(400))
      await fc.assert(
        fc.asyncProperty(text, fc.jsonValue({ stringUnit: 'grapheme' }), async (long, value) => {
          const body: unknown = JSON.parse(JSON.stringify({ value, long, again: long }))
          const record = sampleRecord({ answer: { ...sampleAnswer, body } })
          await store.insert(record)
          expect((await store.find(record.callerId, record.keyDigest))?.value).toStrictEqual(record)
        }),
        { numRuns: 30 },
      )
    })

    test('a replacement is stored at the current version only', async () => {
      const store = makeStore()
      const record = sampleRecord()
      await store.insert(record)
      const version = (await store.find(record.callerId, record.keyDigest))?.version ?? ''
      const answered = { ...record, answer: sampleAnswer }
      expect(await store.replace(answered, version)).toBe('replaced')
      expect(await store.replace(record, version)).toBe('stale')
      expect((await store.find(record.callerId, record.keyDigest))?.value).toStrictEqual(answered)
    })

    test('a record is removed only by the attempt that began it', async () => {
      const store = makeStore()
      const record = sampleRecord()
      await store.insert(record)
      await store.remove({ ...record, startedAt: new Date(record.startedAt.getTime() - 1) })
      expect((await store.find(record.callerId, record.keyDigest))?.value).toStrictEqual(record)
      await store.remove(record)
      expect(await store.find(record.callerId, record.keyDigest)).toBeUndefined()
      await store.remove(record)
      expect(await store.insert(record)).toBe('inserted')
    })
  })
}

function address({ callerId, keyDigest }: IdempotencyRecord) {
  return { callerId, keyDigest }
}

const sampleAnswer: StoredAnswer = { status: 201, headers: { location: '/auth/keys/1' }, body: { key: null } }

export function sampleRecord(change: Partial<IdempotencyRecord> = {}): IdempotencyRecord {
  const startedAt = new Date('2026-11-22T16:00:00.123Z')
  return {
    callerId: `caller-${randomUUID()}`,
    keyDigest: sampleDigest(),
    requestDigest: sampleDigest(),
    seed: randomUUID(),
    startedAt,
    expiresAt: new Date(startedAt.getTime() + 24 * 60 * 60 * 1000),
    answer: null,
    ...change,
  }
}
