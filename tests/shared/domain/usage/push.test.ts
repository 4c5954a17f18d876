import { describe, expect, test } from 'vitest'
import {
  acceptEvents,
  decidePush,
  type PushedEvent,
  type PushedItem,
  type PushRecord,
  pushProgress,
} from '../../../../shared/domain/usage/push.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

const now = new Date('2026-11-22T16:00:00.000Z')
const key = sampleKey({ providerId: 'acme', ownerId: 'ann' })
const keys = new Map([[key.keyId, key]])

function item(index: number, change: Partial<PushedEvent> = {}): PushedItem {
  const event: PushedEvent = {
    keyId: key.keyId,
    at: null,
    outcome: 'VALID',
    endpoint: '',
    statusClass: '2xx',
    count: 1,
    id: null,
    ...change,
  }
  return { kind: 'event', index, event }
}

/** The decision, where no earlier push has counted an id. */
function decide(
  items: Parameters<typeof decidePush>[0],
  known: Parameters<typeof decidePush>[1],
  counted: readonly string[] = [],
) {
  const decision = decidePush(items, known, now)
  return { ...acceptEvents(decision, new Set(counted)), rejected: decision.rejected }
}

describe('the decision on a push', () => {
  test('reads provider, owner and environment from the key, and defaults to the time of receipt', () => {
    expect(decide([item(0)], keys).events).toMatchObject([
      { providerId: 'acme', ownerId: 'ann', environment: 'live', at: now },
    ])
  })

  test('counts an event with a count of n as n uses', () => {
    expect(decide([item(0, { count: 5 }), item(1)], keys).accepted).toBe(6)
  })

  test('counts the first of events that share an id, and reports the others as duplicates', () => {
    const decision = decide([item(0, { id: 'a' }), item(1, { id: 'a', count: 3 }), item(2, { id: 'b' })], keys)
    expect(decision).toMatchObject({ accepted: 2, duplicate: 3, rejected: [] })
  })

  test('counts no event whose id was counted before, and reports its uses as duplicates', () => {
    const items = [item(0, { id: 'a', count: 3 }), item(1, { id: 'b' }), item(2)]
    expect(decide(items, keys, ['a', 'c'])).toMatchObject({ accepted: 2, duplicate: 3, rejected: [] })
  })

  test('accepts an event 5 minutes ahead and rejects one that is further ahead', () => {
    const near = item(0, { at: new Date(now.getTime() + 300_000) })
    const far = item(1, { at: new Date(now.getTime() + 300_001) })
    expect(decide([near, far], keys)).toMatchObject({
      accepted: 1,
      rejected: [{ index: 1, pointer: '#/at', code: 'in_the_future' }],
    })
  })

  test('does not let a rejected event use up an id', () => {
    const unknown = sampleKey().keyId
    const decision = decide([item(0, { id: 'a', keyId: unknown }), item(1, { id: 'a' })], keys)
    expect(decision).toMatchObject({ accepted: 1, duplicate: 0, rejected: [{ index: 0, code: 'key_not_found' }] })
  })

  test('accepts an event of 35 days ago and rejects one of the day before', () => {
    const open = item(0, { at: new Date('2026-10-18T00:00:00Z') })
    const closed = item(1, { at: new Date('2026-10-17T23:59:59Z') })
    expect(decide([open, closed], keys)).toMatchObject({
      accepted: 1,
      rejected: [{ index: 1, pointer: '#/at', code: 'too_old' }],
    })
  })

  test('rejects uses of a management key: they are not counted', () => {
    const management = sampleKey({ kind: 'management', environment: null })
    const decision = decide([item(0, { keyId: management.keyId })], new Map([[management.keyId, management]]))
    expect(decision).toMatchObject({ accepted: 0, rejected: [{ code: 'key_not_found' }] })
  })
})

describe('the progress of a push', () => {
  const record: PushRecord = {
    batchId: 'orders-1',
    bodyDigest: '',
    attempt: '',
    acceptedAt: now,
    accepted: 10,
    duplicate: 0,
    rejected: [],
    parts: 2,
    sent: true,
  }

  test('goes from queued to processing to completed as its parts are counted', () => {
    const [one, two] = [
      { part: 1, applied: 6, late: 1, partitions: [] },
      { part: 2, applied: 3, late: 0, partitions: [] },
    ]
    expect(pushProgress(record, [], true)).toMatchObject({ status: 'queued', applied: 0, late: 0 })
    expect(pushProgress(record, [one], true)).toMatchObject({ status: 'processing', applied: 6, late: 1 })
    expect(pushProgress(record, [one, two], false)).toMatchObject({ status: 'processing' })
    expect(pushProgress(record, [one, two], true)).toMatchObject({ status: 'completed', applied: 9, late: 1 })
  })

  test('is completed at once when no event was accepted', () => {
    expect(pushProgress({ ...record, accepted: 0, parts: 0 }, [], true).status).toBe('completed')
  })
})
