import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { signCursor, verifyCursor } from '../../../shared/http/cursor.ts'

const key = [randomBytes(32)]
const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const position = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }).filter((text) => text.isWellFormed())
const binding = fc.string({ unit: 'grapheme', maxLength: 40 })
const refusal = expect.objectContaining({ code: 'invalid_cursor' })

test('a cursor gives back its position, in the listing it came from', () => {
  fc.assert(
    fc.property(binding, position, (bound, text) => verifyCursor(key, bound, signCursor(key, bound, text)) === text),
  )
})

test('a cursor is safe in a URL as it is', () => {
  fc.assert(fc.property(binding, position, (bound, text) => /^[A-Za-z0-9_-]+$/.test(signCursor(key, bound, text))))
})

test('a cursor with any character changed is refused', () => {
  fc.assert(
    fc.property(binding, position, fc.constantFrom(...base64url, '=', '+', '/', ' ', '.'), (bound, text, character) => {
      const cursor = signCursor(key, bound, text)
      for (let index = 0; index < cursor.length; index++) {
        const changed = cursor.slice(0, index) + character + cursor.slice(index + 1)
        if (changed !== cursor) expect(() => verifyCursor(key, bound, changed)).toThrow(refusal)
      }
    }),
  )
})

test('a cursor that was cut or padded is refused', () => {
  fc.assert(
    fc.property(binding, position, (bound, text) => {
      const cursor = signCursor(key, bound, text)
      const cuts = Array.from(cursor, (_, index) => cursor.slice(0, index))
      for (const changed of [...cuts, cursor.slice(1), `${cursor}=`, `${cursor}A`, `${cursor}AAAA`, ` ${cursor}`]) {
        expect(() => verifyCursor(key, bound, changed)).toThrow(refusal)
      }
    }),
    { numRuns: 30 },
  )
})

test('a cursor of another instance is read during the rotation of a pepper: by any of the keys', () => {
  const other = randomBytes(32)
  expect(verifyCursor([...key, other], 'all', signCursor([other, ...key], 'all', 'here'))).toBe('here')
})

test('a cursor of another listing, or of another key, is refused', () => {
  fc.assert(
    fc.property(binding, binding, position, (bound, other, text) => {
      fc.pre(bound !== other)
      expect(() => verifyCursor(key, other, signCursor(key, bound, text))).toThrow(refusal)
      expect(() => verifyCursor([randomBytes(32)], bound, signCursor(key, bound, text))).toThrow(refusal)
    }),
  )
})

test('arbitrary text is refused', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      expect(() => verifyCursor(key, '', text)).toThrow(refusal)
    }),
  )
})
