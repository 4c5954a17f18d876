import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import {
  checkRow,
  date,
  decodeRow,
  encodeRow,
  int64,
  isStorableKey,
  joinText,
  json,
  nullableDate,
  nullableName,
  splitText,
} from '../../../../shared/adapters/tables/table-row.ts'

const address = { partitionKey: 'p', rowKey: 'r' }
const stored = (properties: object) => ({ ...address, etag: 'e', timestamp: '', ...properties })

test('encodeRow leaves out what is undefined: a row has no place for it', () => {
  const shape = z.object({ name: z.string(), erasedAt: date.optional() })
  expect(Object.keys(encodeRow('things', shape, { name: 'a', erasedAt: undefined }))).toEqual(['name'])
  const erasedAt = '2026-11-22T10:00:00.000Z'
  expect(encodeRow('things', shape, { name: 'a', erasedAt: new Date(erasedAt) })).toEqual({ name: 'a', erasedAt })
})

describe('checkRow', () => {
  test.each(['a/b', 'a\\b', 'a#b', 'a?b', 'a\tb', 'a\u007fb', 'a\u0085b', 'x'.repeat(256), '雪'.repeat(86), '\ud800'])(
    'refuses %j as a key',
    (key) => {
      expect(isStorableKey(key)).toBe(false)
      expect(() => checkRow('things', { ...address, rowKey: key })).toThrow(/table things .* its keys/)
      expect(() => checkRow('things', { ...address, partitionKey: key })).toThrow(/table things .* its keys/)
    },
  )

  test.each(['', '*', 'a|b', 'b%2Fc', "it's", '雪'.repeat(85)])('accepts %j as a key', (key) => {
    expect(isStorableKey(key)).toBe(true)
    checkRow('things', { partitionKey: key, rowKey: key })
  })

  test('refuses a row that Azure would find larger than 1 MiB, and accepts one that just fits', () => {
    const text = 'x'.repeat(32_000)
    const full = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`text${index + 10}`, text]))
    checkRow('things', { ...address, ...full, rest: 'x'.repeat(12_000) })
    expect(() => checkRow('things', { ...address, ...full, rest: 'x'.repeat(12_200) })).toThrow(/exceeds 1 MiB/)
  })

  test('refuses a text that is too long for a property, and the names that Cosmos reserves', () => {
    expect(() => checkRow('things', { ...address, text: 'x'.repeat(32_769) })).toThrow(/"text" is longer/)
    for (const name of ['id', 'rid', 'etag', 'ResourceId']) {
      expect(() => checkRow('things', { ...address, [name]: '' })).toThrow(/reserved/)
    }
  })
})

describe('decodeRow', () => {
  const shape = z.object({
    count: int64,
    at: date,
    until: nullableDate,
    next: nullableName,
    tags: json(z.array(z.string())),
  })
  const value = { count: 2 ** 40, at: new Date(5), until: null, next: null, tags: ['a'] }
  const row = encodeRow('things', shape, value)

  test('reverses encodeRow, and ignores properties that are not in the shape', () => {
    expect(decodeRow('things', shape, stored({ ...row, writeId: 'x' }))).toStrictEqual(value)
  })

  test.each([
    ['count', 'a text', 'secret-5'],
    ['count', 'too large', 2n ** 60n],
    ['at', 'no instant', 'secret-yesterday'],
    ['until', 'missing', undefined],
    ['next', 'missing', undefined],
    ['tags', 'no JSON', '["secret-a"'],
    ['tags', 'other JSON', '[{"secret":1}]'],
  ])('names table and property, and no value, where %s is %s', (name, _, wrong) => {
    const read = () => decodeRow('things', shape, stored({ ...row, [name]: wrong }))
    expect(read).toThrow(new RegExp(`^A row of table things cannot be read: ${name}`))
    expect(read).not.toThrow(/secret/)
  })
})

describe('splitText', () => {
  test('and joinText keep any text, and no part ends within a character', () => {
    const text = fc
      .tuple(fc.string({ unit: 'grapheme', maxLength: 3 }), fc.constantFrom('a', '🗝', 'a🗝'), fc.nat({ max: 50_000 }))
      .map(([before, character, times]) => before + character.repeat(times))
    fc.assert(
      fc.property(text, (long) => {
        const parts = splitText('answer', long)
        for (const part of Object.values(parts)) expect(String(part).isWellFormed()).toBe(true)
        checkRow('things', { ...address, ...parts })
        expect(joinText('things', 'answer', stored(parts))).toBe(long)
      }),
      { numRuns: 50 },
    )
  })

  test('joinText refuses a text of which a part is missing', () => {
    const { answer1, ...rest } = splitText('answer', 'x'.repeat(70_000))
    expect(answer1).toBeDefined()
    expect(() => joinText('things', 'answer', stored(rest))).toThrow(/table things .* answer \(incomplete\)/)
    expect(() => joinText('things', 'answer', stored({}))).toThrow(/incomplete/)
  })
})
