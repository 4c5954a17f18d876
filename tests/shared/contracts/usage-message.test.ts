import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  encodeUsageMessage,
  eraseInUsageMessage,
  measureUsageDelta,
  parseUsageMessage,
  raiseUsageRedrives,
} from '../../../shared/contracts/usage-message.ts'
import { addDeltas } from '../../../shared/domain/usage/counters.ts'
import { splitByPartition } from '../../../shared/domain/usage/partition.ts'
import { usageDeltas } from '../../support/samples/usage-arbitraries.ts'
import { sampleDelta } from '../../support/samples/usage-samples.ts'

const batches = fc.record({
  batchId: fc.stringMatching(/^[a-z0-9]{1,20}\.[A-Z0-9]{26}\.[1-9][0-9]{0,8}$/),
  ackedBelow: fc.nat(),
  at: fc.constant('2026-11-22T10:00:00.000Z'),
  deltas: fc.array(usageDeltas(), { minLength: 1, maxLength: 40 }),
  push: fc.constantFrom(null, { providerId: 'acme', batchId: 'nightly 7', part: 3 }),
})

const rightUses = ['2026112210', 'VALID', '/orders', '2xx', 3, '2026-11-22T10:00:00.000Z', null]
const wrongUses: readonly (readonly [number, unknown])[] = [
  [0, '2026112224'],
  [0, 2026112210],
  [1, 'FINE'],
  [1, 'constructor'],
  [2, 'x'.repeat(256)],
  [2, null],
  [3, '6xx'],
  [4, 0],
  [4, 1.5],
  [4, '3'],
  [5, '2026-11-22'],
  [6, 'x'.repeat(33)],
  [7, 'one too many'],
  [7, '192.0.2.7'],
]

describe('a usage message', () => {
  test('takes no more bytes than it was measured for, with all that is longest in it', () => {
    fc.assert(
      fc.property(batches, fc.constantFrom('VALID' as const, 'REVOKED' as const), (batch, outcome) => {
        const evidence = outcome === 'REVOKED' ? '2001:0db8:1111:2222:3333:4444:5555:6666' : null
        const longest = { outcome, lastIp: evidence, count: Number.MAX_SAFE_INTEGER, lastIpHash: 'f'.repeat(32) }
        const deltas = batch.deltas.flatMap((delta) => new Array(20).fill({ ...delta, ...longest }))
        const measured = deltas.map((delta) => measureUsageDelta({ ...delta, lastIp: null }))
        const bytes = measured.reduce((sum, { keyBytes, deltaBytes }) => sum + keyBytes / 20 + deltaBytes, 1024)
        expect(Buffer.byteLength(encodeUsageMessage({ ...batch, deltas }))).toBeLessThanOrEqual(bytes)
      }),
    )
  })

  test('carries a batch without loss: envelope as it was, the same counters in every partition', () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const { deltas, ...envelope } = parseUsageMessage(encodeUsageMessage(batch))
        expect(envelope).toEqual({
          batchId: batch.batchId,
          ackedBelow: batch.ackedBelow,
          at: batch.at,
          push: batch.push,
        })
        expect(countersOf(deltas)).toEqual(countersOf(batch.deltas))
      }),
    )
  })

  test.each<readonly [string, string]>([
    ['{', 'body'],
    ['[]', 'body'],
    [change({ v: 2 }), 'v: '],
    [change({ id: 'a/b' }), 'id: '],
    [change({ extra: 1 }), 'extra'],
    [change({ keys: [] }), 'keys: '],
    [change({ keys: [['acme', 'k|1', null, 'live', []]] }), 'keys.0.1: '],
    [change({ at: 'yesterday' }), 'at: '],
    ...wrongUses.map((wrong) => [changeUses(wrong), 'keys.0.4.0: '] as const),
    [changeUses([7, 'permas_live'], 'REVOKED'), 'keys.0.4.0: '],
    [changeUses([8, 'one too many'], 'REVOKED'), 'keys.0.4.0: '],
  ])('that is invalid is refused with the path: %s', (body, place) => {
    expect(() => parseUsageMessage(body)).toThrow(place)
  })

  test('that is invalid is not quoted in the error', () => {
    expect(() => parseUsageMessage(change({ id: 'top/secret' }))).toThrow(/^(?!.*secret)/)
  })

  test('counts its re-drives and changes in nothing else', () => {
    const once = raiseUsageRedrives(change({}))
    const twice = raiseUsageRedrives(once?.body ?? '')
    expect([once?.redrives, twice?.redrives]).toEqual([1, 2])
    expect(parseUsageMessage(twice?.body ?? '')).toEqual(parseUsageMessage(change({})))
    expect(raiseUsageRedrives('{"v":1}')).toBeUndefined()
  })
})

function changeUses([place, value]: readonly [number, unknown], outcome = 'VALID'): string {
  const uses: unknown[] = [...rightUses]
  uses[1] = outcome
  uses[place] = value
  return change({ keys: [['acme', 'key-a', 'ann', 'live', [uses]]] })
}

function change(part: Record<string, unknown>): string {
  const keys = [['acme', 'key-a', 'ann', 'live', [rightUses]]]
  const whole = { v: 1, id: 'i.b.1', acked_below: 1, at: '2026-11-22T10:00:00.000Z', redrives: 0, push: null, keys }
  return JSON.stringify({ ...whole, ...part })
}

function countersOf(deltas: Parameters<typeof splitByPartition>[0]) {
  const parts = splitByPartition(deltas).flatMap((part) => addDeltas(() => undefined, part.deltas))
  return new Map(parts.map((row) => [`${row.providerId}|${row.keyId}|${row.day}`, row]))
}

describe('erasing a key in a usage message', () => {
  const pseudonymOf = (ownerId: string | null) => ownerId && 'erased'

  test('takes owner and addresses from its uses, and changes nothing else: not the order, not the re-drives', () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const [first] = batch.deltas
        if (first === undefined) return
        const changed = batch.deltas.map((delta, index) => ({ ...delta, ownerId: index % 2 === 0 ? 'ann' : 'bob' }))
        const body = raiseUsageRedrives(encodeUsageMessage({ ...batch, deltas: changed }))?.body ?? ''
        const key = { providerId: first.providerId, keyId: first.keyId, pseudonymOf }
        const erased = eraseInUsageMessage(body, key) ?? ''
        const before = parseUsageMessage(body)
        const deltas = before.deltas.map((delta) =>
          delta.keyId === key.keyId ? { ...delta, ownerId: 'erased', lastIpHash: null, lastIp: null } : delta,
        )
        expect(parseUsageMessage(erased)).toEqual({ ...before, deltas })
        expect(JSON.parse(erased).redrives).toBe(1)
        expect(eraseInUsageMessage(erased, key)).toBeUndefined()
      }),
    )
  })

  test('leaves a message without the key, and a body that is no usage message', () => {
    const body = encodeUsageMessage({
      ...{ batchId: 'a.B.1', ackedBelow: 1, at: '2026-11-22T10:00:00.000Z', push: null },
      deltas: [sampleDelta()],
    })
    for (const text of [body, '{"v":1}', 'ann']) {
      expect(eraseInUsageMessage(text, { providerId: 'acme', keyId: 'other', pseudonymOf })).toBeUndefined()
    }
  })
})
