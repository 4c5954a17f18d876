import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RateLimit } from '../../../../shared/domain/keys/key.ts'
import {
  editedLineage,
  inheritedLineage,
  type LimitLineage,
  recordOf,
} from '../../../../shared/domain/keys/limit-lineage.ts'

const now = new Date('2026-11-25T12:00:00.000Z')
const anyLimits: fc.Arbitrary<RateLimit[]> = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'constructor', 'hasownproperty'),
    limit: fc.integer({ min: 1, max: 9 }),
    windowSeconds: fc.constantFrom(1, 60, 3600),
    strategy: fc.constantFrom('sliding_window' as const, 'fixed_window' as const),
  }),
  { selector: ({ name }) => name, maxLength: 5 },
)

describe('any sequence of edits', () => {
  test('leaves each limit its own record, loses no record while limits remain for it, and grows the version', () => {
    fc.assert(
      fc.property(fc.array(anyLimits, { minLength: 1, maxLength: 6 }), fc.nat(), (edits, aheadMs) => {
        let current: { rateLimits: readonly RateLimit[]; lineage: LimitLineage | null } = {
          rateLimits: [],
          lineage: null,
        }
        for (const [index, rateLimits] of edits.entries()) {
          const lineage = editedLineage(current, rateLimits, new Date(now.getTime() + (index % 2) * -aheadMs))
          const recordsOf = (of: typeof current) => of.rateLimits.map(({ name }) => recordOf(of.lineage, name))
          const [before, after] = [recordsOf(current), recordsOf({ rateLimits, lineage })]
          expect(new Set(after).size).toBe(after.length)
          expect(after.filter((record) => before.includes(record)).length).toBe(Math.min(before.length, after.length))
          for (const record of after) expect(record).toMatch(/^[a-z0-9~_-]{1,63}$/)
          expect(lineage.version).toBeGreaterThan(current.lineage?.version ?? 0)
          current = { rateLimits, lineage }
        }
      }),
      { numRuns: 1000 },
    )
  })
})

test('a successor of any generation counts where the first key did', () => {
  const first = { keyId: '01K1', lineage: null }
  const second = { keyId: '01K2', lineage: inheritedLineage(first) }
  const third = { keyId: '01K3', lineage: inheritedLineage(second) }
  expect(third.lineage).toEqual({ keyId: '01K1', version: 0, records: {} })
})
