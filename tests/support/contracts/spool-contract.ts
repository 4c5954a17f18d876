import { describe, expect, test } from 'vitest'
import type { UsageEvent } from '../../../shared/domain/usage/usage.ts'
import type { Spool, SpooledBatch } from '../../../shared/ports/spool.ts'
import { sampleKey } from '../samples/sample-keys.ts'

const at = new Date('2026-11-22T16:00:00.123Z')

/** One use. Its address and its endpoint test the encoding of texts. */
export function sampleUse(change: Partial<UsageEvent> = {}): UsageEvent {
  return {
    ...{ providerId: 'acme', keyId: 'key-a', ownerId: null, environment: 'live', at, outcome: 'VALID' },
    ...{ endpoint: 'GET /"é😀"', statusClass: '2xx', count: 1, clientIp: '2001:db8::1' },
    ...change,
  }
}

export function sampleBatch(number: number, producer = 'host.A'): SpooledBatch {
  return { producer, number, body: `{"batch":"${number}é"}`, madeAtMs: at.getTime() + number }
}

/** `reopen` opens the spool as the next process does. */
type MakeSpool = (roomFor?: number) => { readonly spool: Spool; reopen(): Spool }

/** The contract of every Spool. */
export function spoolContract(name: string, makeSpool: MakeSpool): void {
  keepingContract(name, makeSpool)
  countingContract(name, makeSpool)
  openContract(name, makeSpool)
}

function keepingContract(name: string, makeSpool: MakeSpool): void {
  describe(`${name} as a spool`, () => {
    test('is empty at first', () => {
      const { usage, revocations } = makeSpool().spool
      expect([usage.loose(), usage.oldest(5), revocations.list()]).toEqual([[], [], []])
      expect(usage.fill()).toEqual({ batches: 0, bytes: 0, oldestMadeAtMs: undefined })
      expect(usage.numbering('host.A')).toEqual({ last: 0, oldestWaiting: undefined })
    })

    test('returns loose uses as they were recorded, by producer, in order, also to the next process', () => {
      const { spool, reopen } = makeSpool()
      spool.usage.append('host.A', [sampleUse(), sampleUse({ keyId: 'key-b', clientIp: null })])
      spool.usage.append('host.B', [sampleUse({ keyId: 'key-c' })])
      spool.usage.append('host.A', [sampleUse({ keyId: 'key-d' })])
      const expected = [
        {
          producer: 'host.A',
          events: [sampleUse(), sampleUse({ keyId: 'key-b', clientIp: null }), sampleUse({ keyId: 'key-d' })],
        },
        { producer: 'host.B', events: [sampleUse({ keyId: 'key-c' })] },
      ]
      expect(spool.usage.loose()).toEqual(expected)
      expect(reopen().usage.loose()).toEqual(expected)
    })

    test('replaces the loose uses of a producer by its batches, and no other uses', () => {
      const { spool, reopen } = makeSpool()
      spool.usage.append('host.A', [sampleUse()])
      spool.usage.append('host.B', [sampleUse()])
      expect(spool.usage.storeBatches('host.A', [sampleBatch(1), sampleBatch(2)])).toBe('stored')
      for (const next of [() => spool, reopen]) {
        const { usage } = next()
        expect(usage.loose().map(({ producer }) => producer)).toEqual(['host.B'])
        expect(usage.oldest(5)).toEqual([sampleBatch(1), sampleBatch(2)])
      }
    })

    test('returns batches in the order in which they were stored, until they are removed', () => {
      const { spool, reopen } = makeSpool()
      spool.usage.storeBatches('host.B', [sampleBatch(7, 'host.B')])
      spool.usage.storeBatches('host.A', [sampleBatch(1), sampleBatch(2)])
      expect(spool.usage.oldest(2)).toEqual([sampleBatch(7, 'host.B'), sampleBatch(1)])
      spool.usage.remove(sampleBatch(1))
      spool.usage.remove(sampleBatch(1))
      expect(spool.usage.oldest(5)).toEqual([sampleBatch(7, 'host.B'), sampleBatch(2)])
      expect(reopen().usage.oldest(5)).toEqual([sampleBatch(7, 'host.B'), sampleBatch(2)])
    })

    test('keeps revocations unchanged until they are removed; the first of a key stands', () => {
      const { spool, reopen } = makeSpool()
      const revocation = { at, by: 'admin', reason: 'compromised', text: 'läuft aus' } as const
      const key = sampleKey({
        revocation,
        metadata: { a: [1] },
        expiresAt: at,
        replacedBy: '01K00000000000000000000001',
      })
      spool.revocations.put(key)
      spool.revocations.put({ ...key, revocation: { ...revocation, by: 'other' } })
      expect(spool.revocations.list()).toEqual([key])
      const again = reopen()
      expect(again.revocations.list()).toEqual([key])
      again.revocations.remove(key.keyId)
      expect(again.revocations.list()).toEqual([])
    })
  })
}

function countingContract(name: string, makeSpool: MakeSpool): void {
  describe(`${name} as a spool that counts`, () => {
    test('knows the last number of a producer, also after its batches are removed, and the oldest that waits', () => {
      const { usage } = makeSpool().spool
      usage.storeBatches('host.A', [sampleBatch(1), sampleBatch(2)])
      usage.storeBatches('host.A', [sampleBatch(3)])
      usage.remove(sampleBatch(1))
      expect(usage.numbering('host.A')).toEqual({ last: 3, oldestWaiting: 2 })
      usage.remove(sampleBatch(2))
      usage.remove(sampleBatch(3))
      expect(usage.numbering('host.A')).toEqual({ last: 3, oldestWaiting: undefined })
      expect(usage.numbering('host.B').last).toBe(0)
    })

    test('still knows the last number of a killed producer that has loose uses', () => {
      const { spool, reopen } = makeSpool()
      spool.usage.storeBatches('host.A', [sampleBatch(1)])
      spool.usage.remove(sampleBatch(1))
      spool.usage.append('host.A', [sampleUse()])
      expect(reopen().usage.numbering('host.A').last).toBe(1)
    })

    test('measures its contents, down to zero when it is empty again', () => {
      const { spool, reopen } = makeSpool()
      spool.usage.append('host.A', [sampleUse()])
      const { batches, bytes } = spool.usage.fill()
      expect([batches, bytes]).toEqual([1, Buffer.byteLength(JSON.stringify([sampleUse()]))])
      spool.usage.storeBatches('host.A', [sampleBatch(1), sampleBatch(2)])
      const stored = { batches: 2, bytes: 2 * Buffer.byteLength(sampleBatch(1).body), oldestMadeAtMs: at.getTime() + 1 }
      expect(spool.usage.fill()).toEqual(stored)
      expect(reopen().usage.fill()).toEqual(stored)
    })

    test('counts down as batches are removed', () => {
      const { usage } = makeSpool().spool
      usage.storeBatches('host.A', [sampleBatch(1), sampleBatch(2)])
      usage.remove(sampleBatch(1))
      expect(usage.fill()).toMatchObject({ batches: 1, oldestMadeAtMs: at.getTime() + 2 })
      usage.remove(sampleBatch(2))
      expect(usage.fill()).toEqual({ batches: 0, bytes: 0, oldestMadeAtMs: undefined })
    })

    test('stores nothing of an append that does not fit, and accepts more once there is room', () => {
      const size = Buffer.byteLength(JSON.stringify([sampleUse()]))
      const { spool } = makeSpool(2 * size)
      expect([1, 2, 3].map(() => spool.usage.append('host.A', [sampleUse()]))).toEqual(['kept', 'kept', 'full'])
      expect(spool.usage.loose()[0]?.events).toHaveLength(2)
      expect(spool.usage.storeBatches('host.A', [sampleBatch(1)])).toBe('stored')
      expect(spool.usage.append('host.A', [sampleUse()])).toBe('kept')
    })
  })
}

function openContract(name: string, makeSpool: MakeSpool): void {
  describe(`${name} as a spool that is behind or left behind`, () => {
    test('folds the loose uses of a producer, and no other uses', () => {
      const { spool, reopen } = makeSpool()
      for (let use = 0; use < 3; use++) spool.usage.append('host.A', [sampleUse()])
      spool.usage.append('host.B', [sampleUse()])
      const folded = [sampleUse({ count: 3 })]
      expect(spool.usage.foldLoose('host.A', folded)).toBe('kept')
      const bytes = Buffer.byteLength(JSON.stringify(folded)) + Buffer.byteLength(JSON.stringify([sampleUse()]))
      for (const next of [() => spool, reopen]) {
        const { usage } = next()
        expect(usage.loose().toSorted((a, b) => (a.producer < b.producer ? -1 : 1))).toEqual([
          { producer: 'host.A', events: folded },
          { producer: 'host.B', events: [sampleUse()] },
        ])
        expect(usage.fill().bytes).toBe(bytes)
      }
    })

    test('knows which producers are open, also in the next process, and their last numbers', () => {
      const { spool, reopen } = makeSpool()
      spool.usage.markOpen('host.B')
      spool.usage.markOpen('host.A')
      spool.usage.markOpen('host.A')
      spool.usage.storeBatches('host.A', [sampleBatch(4)])
      spool.usage.remove(sampleBatch(4))
      expect(spool.usage.openProducers()).toEqual(['host.A', 'host.B'])
      const { usage } = reopen()
      expect(usage.openProducers()).toEqual(['host.A', 'host.B'])
      expect(usage.numbering('host.A').last).toBe(4)
      usage.unmarkOpen('host.A')
      usage.unmarkOpen('host.A')
      expect(usage.openProducers()).toEqual(['host.B'])
    })
  })
}
