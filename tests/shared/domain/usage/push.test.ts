import { describe, expect, test } from 'vitest'
import {
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

describe('the decision on a push', () => {
  test('reads provider, owner and environment from the key, and defaults to the time of receipt', () => {
    expect(decidePush([item(0)], keys, now).events).toMatchObject([
      { providerId: 'acme', ownerId: 'ann', environment: 'live', at: now },
    ])
  })

  test('counts an event with a count of n as n uses', () => {
    expect(decidePush([item(0, { count: 5 }), item(1)], keys, now).accepted).toBe(6)
  })

  test('counts the first of events that share an id, and reports the others as duplicates', () => {
    const decision = decidePush([item(0, { id: 'a' }), item(1, { id: 'a', count: 3 }), item(2, { id: 'b' })], keys, now)
    expect(decision).toMatchObject({ accepted: 2, duplicate: 3, rejected: [] })
  })

  test('does not let a rejected event use up an id', () => {
    const unknown = sampleKey().keyId
    const decision = decidePush([item(0, { id: 'a', keyId: unknown }), item(1, { id: 'a' })], keys, now)
    expect(decision).toMatchObject({ accepted: 1, duplicate: 0, rejected: [{ index: 0, code: 'key_not_found' }] })
  })

  test('accepts an event of 35 days ago and rejects one of the day before', () => {
    const open = item(0, { at: new Date('2026-10-18T00:00:00Z') })
    const closed = item(1, { at: new Date('2026-10-17T23:59:59Z') })
    expect(decidePush([open, closed], keys, now)).toMatchObject({
      accepted: 1,
      rejected: [{ index: 1, pointer: '#/at', code: 'too_old' }],
    })
  })

  test('rejects uses of a management key: they are not counted', () => {
    const management = sampleKey({ kind: 'management', environment: null })
    const decision = decidePush([item(0, { keyId: management.keyId })], new Map([[management.keyId, management]]), now)
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
      { part: 1, applied: 6, late: 1 },
      { part: 2, applied: 3, late: 0 },
    ]
    expect(pushProgress(record, [])).toMatchObject({ status: 'queued', applied: 0, late: 0 })
    expect(pushProgress(record, [one])).toMatchObject({ status: 'processing', applied: 6, late: 1 })
    expect(pushProgress(record, [one, two])).toMatchObject({ status: 'completed', applied: 9, late: 1 })
  })

  test('is completed at once when no event was accepted', () => {
    expect(pushProgress({ ...record, accepted: 0, parts: 0 }, []).status).toBe('completed')
  })
})
