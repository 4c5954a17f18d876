import { ulid } from 'ulid'
import { describe, expect, test } from 'vitest'
import { type OneProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import type { PushRecord } from '../../../shared/domain/usage/push.ts'
import type { PushJournal, PushStore } from '../../../shared/ports/usage-reports.ts'
import { sampleProviderId } from '../samples/sample-keys.ts'

type Store = PushStore & PushJournal

const partitions = [{ day: '20261122', shard: '07', batches: 3 }]

const acceptedAt = new Date('2026-11-22T16:20:30.400Z')

export function samplePush(change: Partial<PushRecord> = {}): PushRecord {
  return {
    batchId: 'orders-2026-11-22',
    bodyDigest: 'ab'.repeat(32),
    attempt: ulid(),
    acceptedAt,
    accepted: 12,
    duplicate: 1,
    rejected: [{ index: 3, pointer: '#/key_id', code: 'key_not_found', detail: 'There is no such key.' }],
    parts: 2,
    sent: false,
    ...change,
  }
}

/** Begins an attempt and has it accepted. */
async function pushWith(store: Store, scope: OneProvider, record: PushRecord, messages: readonly string[]) {
  const begun = await store.begin(scope, { ...record, startedAt: record.acceptedAt })
  return begun === 'accepted' ? 'overtaken' : store.accept(scope, record, messages)
}

/** The contract of every PushStore with its PushJournal. */
export function pushStoreContract(name: string, makeStore: () => Store): void {
  describe(`${name} for accepted batches`, () => accepting(makeStore))
  describe(`${name} for attempts`, () => attempting(makeStore))
  describe(`${name} for the progress of batches`, () => following(makeStore))
}

function fresh(makeStore: () => Store) {
  const providerId = sampleProviderId()
  return { store: makeStore(), providerId, scope: oneProvider(providerId) }
}

function accepting(makeStore: () => Store): void {
  test('a batch comes back as it was accepted, with its messages in their order', async () => {
    const { store, scope } = fresh(makeStore)
    // Two properties each, and below 64 KiB: Azurite decodes a body in chunks, and breaks a character between two.
    const messages = Array.from({ length: 12 }, (_, index) => `${index}:${'é"'.repeat(15_100)}`)
    const record = samplePush({ parts: 12 })
    expect(await pushWith(store, scope, record, messages)).toBe('accepted')
    expect(await store.find(scope, record.batchId)).toEqual(record)
    expect(await store.unsent(scope, record)).toEqual(messages)
  })

  test('10,000 rejections with the longest texts come back', async () => {
    const { store, scope } = fresh(makeStore)
    const rejected = Array.from({ length: 10_000 }, (_, index) => ({
      index,
      pointer: `#/${'\\'.repeat(126)}`,
      code: 'invalid_event' as const,
      detail: '"'.repeat(200),
    }))
    const record = samplePush({ rejected, parts: 0, sent: true })
    await pushWith(store, scope, record, [])
    expect(await store.find(scope, record.batchId)).toEqual(record)
  })

  test('a second batch of the same id is refused and changes nothing, its messages included', async () => {
    const { store, scope } = fresh(makeStore)
    const first = samplePush()
    await pushWith(store, scope, first, ['one', 'two'])
    expect(await pushWith(store, scope, samplePush({ accepted: 99, rejected: [], parts: 1 }), ['other'])).toBe(
      'overtaken',
    )
    expect(await store.find(scope, first.batchId)).toEqual(first)
    expect(await store.unsent(scope, first)).toEqual(['one', 'two'])
  })

  test('of many concurrent attempts exactly one is accepted, with its own messages', async () => {
    const { store, scope } = fresh(makeStore)
    const attempts = Array.from({ length: 6 }, (_, index) => ({
      record: samplePush({ accepted: index }),
      text: `${index}`,
    }))
    const answers = await Promise.all(attempts.map(({ record, text }) => pushWith(store, scope, record, [text])))
    expect(answers.filter((answer) => answer === 'accepted')).toHaveLength(1)
    const accepted = await store.find(scope, samplePush().batchId)
    if (accepted === undefined) throw new Error('It was accepted.')
    expect(await store.unsent(scope, accepted)).toEqual([`${accepted.accepted}`])
  })

  test('a batch belongs to its provider alone, even when another provider uses the same id', async () => {
    const { store, scope } = fresh(makeStore)
    const other = oneProvider(sampleProviderId())
    await pushWith(store, scope, samplePush(), ['mine'])
    expect(await store.find(other, samplePush().batchId)).toBeUndefined()
    expect(await pushWith(store, other, samplePush({ accepted: 5 }), ['theirs'])).toBe('accepted')
    expect((await store.find(scope, samplePush().batchId))?.accepted).toBe(12)
  })

  test('a sent batch is marked as sent, and its messages are removed', async () => {
    const { store, scope } = fresh(makeStore)
    const record = samplePush()
    await pushWith(store, scope, record, ['one', 'two'])
    await store.markSent(scope, record)
    await store.markSent(scope, record)
    expect(await store.find(scope, record.batchId)).toEqual({ ...record, sent: true })
    expect(await store.unsent(scope, record)).toEqual([])
  })
}

function attempting(makeStore: () => Store): void {
  const startedAt = acceptedAt

  test('an attempt that another one follows is never accepted, and leaves no message', async () => {
    const { store, scope } = fresh(makeStore)
    const [older, newer] = [samplePush(), samplePush()]
    expect(await store.newestAttempt(scope, older.batchId)).toBeUndefined()
    expect(await store.begin(scope, { ...older, startedAt })).toBe('begun')
    expect(await store.begin(scope, { ...newer, startedAt })).toBe('begun')
    expect(await store.find(scope, older.batchId)).toBeUndefined()
    expect(await store.accept(scope, older, ['older'])).toBe('overtaken')
    expect(await store.unsent(scope, older)).toEqual([])
    expect(await store.newestAttempt(scope, older.batchId)).toMatchObject({ attempt: newer.attempt, isAccepted: false })
    expect(await store.accept(scope, newer, ['newer'])).toBe('accepted')
    expect(await store.newestAttempt(scope, older.batchId)).toMatchObject({ attempt: newer.attempt, isAccepted: true })
    expect(await store.begin(scope, { ...samplePush(), startedAt })).toBe('accepted')
    expect(await store.unsent(scope, newer)).toEqual(['newer'])
  })

  test('an attempt that was barred is never accepted; one that was accepted cannot be barred', async () => {
    const { store, scope } = fresh(makeStore)
    const [barred, next] = [samplePush(), samplePush()]
    await store.begin(scope, { ...barred, startedAt })
    const seen = await store.newestAttempt(scope, barred.batchId)
    if (seen === undefined) throw new Error('It began.')
    expect(seen).toMatchObject({ batchId: barred.batchId, attempt: barred.attempt, startedAt })
    expect(await store.bar(scope, seen)).toBe('barred')
    expect(await store.bar(scope, seen)).toBe('stale')
    expect(await store.accept(scope, barred, ['barred'])).toBe('overtaken')
    await store.begin(scope, { ...next, startedAt })
    const open = await store.newestAttempt(scope, next.batchId)
    expect(await store.accept(scope, next, ['next'])).toBe('accepted')
    expect(open && (await store.bar(scope, open))).toBe('stale')
    expect((await store.find(scope, next.batchId))?.attempt).toBe(next.attempt)
  })
}

function following(makeStore: () => Store): void {
  test('a part is counted once: a repetition changes nothing', async () => {
    const { store, scope, providerId } = fresh(makeStore)
    const { batchId } = samplePush()
    await store.partApplied({ providerId, batchId, part: 2 }, { applied: 5, late: 1, partitions })
    await store.partApplied({ providerId, batchId, part: 2 }, { applied: 5, late: 1, partitions })
    await store.partApplied({ providerId, batchId, part: 10 }, { applied: 3, late: 0, partitions })
    const parts = [...(await store.parts(scope, batchId))].sort((a, b) => a.part - b.part)
    expect(parts).toEqual([
      { part: 2, applied: 5, late: 1, partitions },
      { part: 10, applied: 3, late: 0, partitions },
    ])
    expect(await store.parts(oneProvider('other'), batchId)).toEqual([])
  })

  test('the journal lists the batches accepted in a window, each once, with the uses counted so far', async () => {
    const { store, scope, providerId } = fresh(makeStore)
    const times = ['15:59:59.999', '16:00:00.000', '17:59:59.999', '18:00:00.000']
    for (const [index, time] of times.entries()) {
      const record = samplePush({ batchId: `batch-${index}`, acceptedAt: new Date(`2026-11-22T${time}Z`) })
      await pushWith(store, scope, record, ['one', 'two'])
      if (index === 2) await store.markSent(scope, record)
    }
    await store.partApplied({ providerId, batchId: 'batch-1', part: 1 }, { applied: 5, late: 2, partitions })
    await pushWith(store, scope, samplePush({ batchId: 'batch-1', acceptedAt: new Date('2026-11-22T17:30:00Z') }), [
      'again',
    ])
    const [from, to] = [new Date('2026-11-22T16:00:00Z'), new Date('2026-11-22T18:00:00Z')]
    const found = await Array.fromAsync(store.acceptedBetween(from, to))
    const mine = found.filter((push) => push.providerId === providerId)
    expect(mine.sort((a, b) => (a.batchId < b.batchId ? -1 : 1))).toEqual([
      {
        providerId,
        batchId: 'batch-1',
        acceptedAt: new Date('2026-11-22T16:00:00Z'),
        accepted: 12,
        sent: false,
        counted: 7,
      },
      {
        providerId,
        batchId: 'batch-2',
        acceptedAt: new Date('2026-11-22T17:59:59.999Z'),
        accepted: 12,
        sent: true,
        counted: 0,
      },
    ])
  })
}
