import fc from 'fast-check'
import { expect, test } from 'vitest'
import { numberSet } from '../../../../shared/domain/usage/number-set.ts'

const numbers = fc.array(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 70_000 }), fc.constantFrom(32_767, 32_768)))

test('a set of numbers finds new ones, the lowest, and every missing range up to the highest', () => {
  fc.assert(
    fc.property(numbers, fc.nat({ max: 50 }), (added, first) => {
      const set = numberSet()
      const known = new Set<number>()
      for (const number of added) {
        expect(set.add(number)).toBe(!known.has(number))
        known.add(number)
      }
      const sorted = [...known].sort((a, b) => a - b)
      expect(set.lowest()).toBe(sorted[0])
      const missing = [...set.missingFrom(first)]
      expect(missing.every(({ first: from, last }) => from <= last)).toBe(true)
      const found = new Set(missing.flatMap(({ first: from, last }) => [from, last]))
      for (const edge of found) expect(known.has(edge)).toBe(false)
      const count = missing.reduce((sum, { first: from, last }) => sum + last - from + 1, 0)
      const highest = sorted.at(-1) ?? -1
      expect(count).toBe(Math.max(0, highest - first + 1) - sorted.filter((number) => number >= first).length)
    }),
    { examples: [[[], 0]] },
  )
})
