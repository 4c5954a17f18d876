import { decodeTime, isValid } from 'ulid'
import { expect, test } from 'vitest'
import { newUlid } from '../../../shared/runtime/ulid.ts'

test('a new ULID is valid, of now, and unique', () => {
  const before = Date.now()
  const ids = Array.from({ length: 20_000 }, newUlid)
  expect(ids.every((id) => isValid(id))).toBe(true)
  expect(Math.min(...ids.map(decodeTime))).toBeGreaterThanOrEqual(before)
  expect(Math.max(...ids.map(decodeTime))).toBeLessThanOrEqual(Date.now())
  expect(new Set(ids).size).toBe(ids.length)
})

test('every character of the random part takes all its 32 values, each about as often', () => {
  const ids = Array.from({ length: 20_000 }, newUlid)
  for (let position = 10; position < 26; position++) {
    const counts = new Map<string, number>()
    for (const id of ids) counts.set(id.charAt(position), (counts.get(id.charAt(position)) ?? 0) + 1)
    expect(counts.size).toBe(32)
    // 625 each, with a standard deviation of 25: ten of them.
    expect(Math.min(...counts.values())).toBeGreaterThan(375)
    expect(Math.max(...counts.values())).toBeLessThan(875)
  }
})
