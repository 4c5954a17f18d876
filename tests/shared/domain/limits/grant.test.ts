import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideGrant } from '../../../../shared/domain/limits/grant.ts'
import { heldAt, leaseOf, settle, spend } from '../../../../shared/domain/limits/lease.ts'
import type { Limit, LimitWindow } from '../../../../shared/domain/limits/limit.ts'
import { afterWrite, type LimitRecord, underPolicy, usedOf } from '../../../../shared/domain/limits/limit-record.ts'
import { cellsNamed, cellsOf, chargeable, lowestCounted } from '../../../../shared/domain/limits/window-cells.ts'

const NOW_MS = Date.parse('2026-11-22T16:00:00.000Z')
const interval = { earliestMs: NOW_MS - 110, latestMs: NOW_MS + 110 }

const sliding: fc.Arbitrary<LimitWindow> = fc.record({
  kind: fc.constant('sliding' as const),
  seconds: fc.constantFrom(1, 2, 5, 10, 60, 3600, 86_400),
})
const anyWindow: fc.Arbitrary<LimitWindow> = fc.oneof(
  sliding,
  fc.record({ kind: fc.constant('fixed' as const), seconds: fc.constantFrom(1, 60, 3600) }),
  fc.constantFrom({ kind: 'day' as const }, { kind: 'month' as const }),
)

function recordIn(window: LimitWindow, charges: readonly (readonly [number, number])[], writers = 0): LimitRecord {
  const cells = cellsOf(window)
  const current = cells.indexAt(NOW_MS)
  return {
    division: cells.name,
    policy: { version: 0, limit: 100 },
    cells: new Map(charges.map(([offset, tokens]) => [current + offset, tokens])),
    writers: new Map(Array.from({ length: writers }, (_, index) => [`i${index}`, { write: index + 1, atMs: NOW_MS }])),
  }
}

const charges = fc.array(fc.tuple(fc.integer({ min: -70, max: 320 }), fc.integer({ min: 1, max: 50 })), {
  maxLength: 40,
})
const anyRequest = fc.record({
  needed: fc.integer({ min: 0, max: 300 }),
  minTokens: fc.integer({ min: -5, max: 20 }),
  rate: fc.option(fc.double({ min: 0, max: 10, noNaN: true }), { nil: undefined }),
})

describe('a grant', () => {
  test('never raises the counted tokens above the limit, and adds none where they are above it already', () => {
    fc.assert(
      fc.property(
        anyWindow,
        fc.integer({ min: 1, max: 2000 }),
        charges,
        anyRequest,
        fc.nat(20),
        (window, most, charged, request, writers) => {
          const cells = cellsOf(window)
          const record = recordIn(window, charged, writers)
          const limit: Limit = { subject: 'key:1', name: 'l', limit: most, window }
          const before = usedOf(record, cells, interval)
          const { grants, left } = decideGrant({ record, limit, cells, interval, request })
          const granted = new Map<number, number>()
          for (const { cell, tokens } of grants) granted.set(cell, (granted.get(cell) ?? 0) + tokens)
          const after = afterWrite(record, cells, { charges: granted, writer: 'me', write: 1, interval })
          const sum = grants.reduce((total, { tokens }) => total + tokens, 0)
          expect(usedOf(after, cells, interval)).toBe(before + sum)
          expect(before + sum).toBeLessThanOrEqual(Math.max(before, most))
          expect(left).toBe(Math.max(0, most - before) - sum)
          for (const { cell, tokens, untilMs } of grants) {
            expect(Number.isInteger(tokens) && tokens > 0).toBe(true)
            expect(cell).toBeGreaterThanOrEqual(chargeable(cells, interval))
            expect(untilMs).toBeLessThanOrEqual(cells.endMs(cell))
            expect(untilMs).toBeGreaterThan(interval.latestMs)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('covers the waiting requests as far as the limit allows', () => {
    fc.assert(
      fc.property(
        anyWindow,
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 500 }),
        (window, most, needed) => {
          const limit: Limit = { subject: 'key:1', name: 'l', limit: most, window }
          const request = { needed, minTokens: 1, rate: undefined }
          const { grants } = decideGrant({
            record: recordIn(window, []),
            limit,
            cells: cellsOf(window),
            interval,
            request,
          })
          const sum = grants.reduce((total, { tokens }) => total + tokens, 0)
          expect(sum).toBeGreaterThanOrEqual(Math.min(needed, most))
        },
      ),
    )
  })

  test('is empty where fewer tokens are left than any waiting request needs', () => {
    const window = { kind: 'sliding', seconds: 60 } as const
    const limit: Limit = { subject: 'key:1', name: 'l', limit: 10, window }
    const inputs = { record: recordIn(window, [[-1, 7]]), limit, cells: cellsOf(window), interval }
    expect(decideGrant({ ...inputs, request: { needed: 5, minTokens: 5, rate: undefined } })).toEqual({
      grants: [],
      left: 3,
    })
    expect(decideGrant({ ...inputs, request: { needed: 5, minTokens: 3, rate: undefined } }).grants.length).toBe(1)
  })

  test('charges at most an eighth of a limit ahead, and nothing far ahead once the limit is nearly spent', () => {
    const window = { kind: 'sliding', seconds: 60 } as const
    const cells = cellsOf(window)
    const limit: Limit = { subject: 'key:1', name: 'l', limit: 800, window }
    let record = recordIn(window, [])
    for (let instance = 0; instance < 50; instance++) {
      const { grants } = decideGrant({
        record,
        limit,
        cells,
        interval,
        request: { needed: 1, minTokens: 1, rate: undefined },
      })
      for (const { cell, tokens } of grants) {
        record = afterWrite(record, cells, {
          charges: new Map([[cell, tokens]]),
          writer: `i${instance}`,
          write: 1,
          interval,
        })
      }
    }
    const ahead = [...record.cells].filter(([cell]) => cell > chargeable(cells, interval))
    expect(ahead.reduce((sum, [, tokens]) => sum + tokens, 0)).toBeGreaterThan(50)
    expect(ahead.reduce((sum, [, tokens]) => sum + tokens, 0)).toBeLessThanOrEqual(100)
    const busy = { record: recordIn(window, [[-1, 700]]), limit, cells, interval }
    const { grants } = decideGrant({ ...busy, request: { needed: 1, minTokens: 1, rate: 0.01 } })
    expect(Math.max(...grants.map(({ untilMs }) => untilMs))).toBeLessThan(NOW_MS + 5000)
  })

  test('of a month is at most 1 % of the remaining tokens, and below 100 exactly what requests wait for', () => {
    const window = { kind: 'month' } as const
    const tokens = (left: number, needed: number) => {
      const limit: Limit = { subject: 'key:1', name: 'l', limit: left, window }
      const request = { needed, minTokens: 1, rate: 100 }
      const { grants } = decideGrant({
        record: recordIn(window, []),
        limit,
        cells: cellsOf(window),
        interval,
        request,
      })
      return grants.reduce((total, grant) => total + grant.tokens, 0)
    }
    expect(tokens(1_000_000, 1)).toBeGreaterThan(1000)
    expect(tokens(1_000_000, 1)).toBeLessThanOrEqual(10_001)
    expect(tokens(99, 1)).toBe(1)
    expect(tokens(99, 7)).toBe(7)
  })
})

describe('charges', () => {
  test('converted to another division count for longer, never shorter', () => {
    fc.assert(
      fc.property(
        sliding,
        sliding,
        charges,
        fc.integer({ min: 0, max: 200_000 }),
        (before, after, charged, laterMs) => {
          const record = recordIn(before, charged)
          const [old, cells] = [cellsOf(before), cellsOf(after)]
          const limit: Limit = { subject: 'key:1', name: 'l', limit: 100, window: after }
          const moved = underPolicy(record, limit, cells, interval)
          const atMs = NOW_MS + laterMs
          const endingAfter = (which: LimitRecord, ends: (cell: number) => number) =>
            [...which.cells].reduce((sum, [cell, tokens]) => sum + (ends(cell) > atMs ? tokens : 0), 0)
          expect(endingAfter(moved, cells.endMs)).toBeGreaterThanOrEqual(endingAfter(record, old.endMs))
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('converted by an edit count until every instance knows of the edit and for a whole window then, no longer', () => {
    fc.assert(
      fc.property(anyWindow, sliding, charges, (before, after, charged) => {
        const cells = cellsOf(after)
        const record = recordIn(before, charged)
        const limit: Limit = { subject: 'key:1', name: 'l', limit: 7, window: after, version: 1 }
        const moved = underPolicy(record, limit, cells, interval)
        expect(moved.policy).toEqual({ version: 1, limit: 7 })
        if (cells.name === record.division) return
        const sum = ({ cells: charges }: LimitRecord) => [...charges.values()].reduce((a, b) => a + b, 0)
        expect(sum(moved)).toBe(sum(record))
        for (const cell of moved.cells.keys())
          expect(cell).toBeLessThanOrEqual(cells.indexAt(interval.latestMs + 15_000))
        for (const [cell] of record.cells) {
          const endMs = (cellsNamed(record.division)?.endMs(cell) ?? 0) - 1
          expect(moved.cells.has(cells.indexAt(Math.min(endMs, interval.latestMs + 15_000)))).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('of spent tokens move to the cell of the spending, of expired tokens are removed, of held tokens stay', () => {
    const cells = cellsOf({ kind: 'sliding', seconds: 60 })
    const far = chargeable(cells, interval) + 100
    const lease = leaseOf({ cell: far, tokens: 10, untilMs: interval.latestMs + 5000 })
    spend([lease], cells, interval, 3)
    const later = { earliestMs: interval.earliestMs + 2000, latestMs: interval.latestMs + 2000 }
    spend([lease], cells, later, 2)
    const pendingCharges = new Map<number, number>()
    const held = settle([lease], pendingCharges, later)
    expect(held).toEqual([lease])
    expect(heldAt(held, later.latestMs)).toBe(5)
    expect(pendingCharges).toEqual(
      new Map([
        [chargeable(cells, interval), 3],
        [far, -5],
        [chargeable(cells, later), 2],
      ]),
    )
    const expired = new Map<number, number>()
    const muchLater = { earliestMs: interval.earliestMs + 5000, latestMs: interval.latestMs + 5000 }
    expect(settle(held, expired, muchLater)).toEqual([])
    expect(expired).toEqual(new Map([[far, -5]]))
  })

  test('cannot be spent beyond the held tokens, nor after they expired', () => {
    const cells = cellsOf({ kind: 'sliding', seconds: 60 })
    const cell = chargeable(cells, interval)
    const lease = leaseOf({ cell, tokens: 2, untilMs: cells.endMs(cell) })
    expect(() => spend([lease], cells, interval, 3)).toThrow('More was spent')
    const expired = { earliestMs: interval.earliestMs, latestMs: cells.endMs(cell) }
    expect(heldAt([leaseOf({ cell, tokens: 2, untilMs: cells.endMs(cell) })], expired.latestMs)).toBe(0)
  })

  test('of cells that an instance may still count are kept', () => {
    const window = { kind: 'sliding', seconds: 60 } as const
    const cells = cellsOf(window)
    const record = recordIn(
      window,
      Array.from({ length: 80 }, (_, index) => [index - 75, 1] as const),
    )
    const after = afterWrite(record, cells, { charges: new Map(), writer: 'me', write: 1, interval })
    expect(Math.min(...after.cells.keys())).toBe(lowestCounted(cells, interval) - 1)
    expect(usedOf(after, cells, interval)).toBe(usedOf(record, cells, interval))
  })
})
