import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { generateSecret, type KeyPrefix, keyHint, readPrefix } from '../../../../shared/domain/keys/key-format.ts'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const prefixes: readonly KeyPrefix[] = ['test', 'live', 'mgmt']
const randomStart = 'permas_live_'.length
const randomLength = 38
const keys = Array.from({ length: 10_000 }, () => generateSecret('live', randomBytes))

const anySecret = fc
  .record({ prefix: fc.constantFrom(...prefixes), seed: fc.uint8Array({ minLength: 48, maxLength: 48 }) })
  .map(({ prefix, seed }) => generateSecret(prefix, drawFrom(seed)))

test('a key is permas_<environment>_ and 44 base62 characters', () => {
  for (const prefix of prefixes) {
    expect(generateSecret(prefix, randomBytes)).toMatch(new RegExp(`^permas_${prefix}_[0-9A-Za-z]{44}$`))
  }
})

test('its last 6 characters are the CRC-32 of all characters before, in base62', () => {
  for (const key of keys.slice(0, 1000)) {
    const value = [...key.slice(-6)].reduce((sum, digit) => sum * 62 + alphabet.indexOf(digit), 0)
    expect(value).toBe(crc32(key.slice(0, -6)))
  }
})

test('of 10,000 keys no two are the same', () => {
  expect(new Set(keys).size).toBe(keys.length)
})

// 61 degrees of freedom: a fair generator exceeds 153 once in 10^9 tries, and there are 39 tries here. A bias by
// `% 62` over a byte gives about 2,500 over all positions together.
const chiSquareMax = 153

test('every character of the random part is as likely as any other, at each position and over all', () => {
  const perPosition = Array.from({ length: randomLength }, (_, position) =>
    keys.map((key) => key.charAt(randomStart + position)),
  )
  for (const characters of [...perPosition, perPosition.flat()]) {
    expect(chiSquare(characters)).toBeLessThan(chiSquareMax)
  }
})

test('bytes from the last multiple of 62 up are discarded, and more bytes are drawn', () => {
  const draws = [new Uint8Array(48).fill(255), new Uint8Array(48).fill(248), new Uint8Array(48).fill(247)]
  const secret = generateSecret('test', () => draws.shift() ?? new Uint8Array(48))
  expect(secret.slice(randomStart, randomStart + randomLength)).toBe('z'.repeat(randomLength))
})

test('a key names its environment', () => {
  for (const prefix of prefixes) expect(readPrefix(generateSecret(prefix, randomBytes))).toBe(prefix)
})

test('no change of a single character is accepted: any position, any other character', () => {
  fc.assert(
    fc.property(anySecret, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }), (secret, odd) => {
      const characters = `${alphabet}_- \n\u0000\u0130\uff21${odd}`
      expect(changesOf(secret, characters).filter((changed) => readPrefix(changed) !== undefined)).toEqual([])
    }),
    { numRuns: 20 },
  )
})

test('a checksum has one spelling: the next larger numbers of the same 32 bits are refused', () => {
  fc.assert(
    fc.property(anySecret, fc.integer({ min: 1, max: 12 }), (secret, turns) => {
      let rest = crc32(secret.slice(0, -6)) + turns * 2 ** 32
      let text = ''
      for (; text.length < 6; rest = Math.floor(rest / 62)) text = alphabet.charAt(rest % 62) + text
      expect(readPrefix(secret.slice(0, -6) + text)).toBeUndefined()
    }),
  )
})

test('the environment of a key cannot be swapped', () => {
  fc.assert(
    fc.property(anySecret, fc.constantFrom(...prefixes), (secret, prefix) => {
      const swapped = `permas_${prefix}_${secret.slice(randomStart)}`
      expect(readPrefix(swapped)).toBe(swapped === secret ? prefix : undefined)
    }),
  )
})

test('a key that is cut, padded, doubled or rearranged is refused', () => {
  fc.assert(
    fc.property(anySecret, fc.nat({ max: 55 }), (secret, cut) => {
      for (const text of [secret.slice(0, cut), ` ${secret}`, `${secret}\n`, `${secret}0`, secret + secret, '']) {
        expect(readPrefix(text)).toBeUndefined()
      }
      expect(readPrefix(secret.toUpperCase())).toBeUndefined()
    }),
  )
})

test('the hint is the last 4 characters of the random part, and no part of the checksum', () => {
  const [key = ''] = keys
  expect(keyHint(key)).toBe(key.slice(randomStart + randomLength - 4, randomStart + randomLength))
})

/** The seed, then zeros. */
function drawFrom(seed: Uint8Array): (size: number) => Uint8Array {
  let drawn = 0
  return (size) => (drawn++ === 0 ? seed.slice(0, size) : new Uint8Array(size))
}

function changesOf(secret: string, characters: string): string[] {
  const changes = [...secret].flatMap((_, position) =>
    [...characters].map((character) => secret.slice(0, position) + character + secret.slice(position + 1)),
  )
  return changes.filter((changed) => changed !== secret)
}

function chiSquare(characters: readonly string[]): number {
  const counts = new Map<string, number>()
  for (const character of characters) counts.set(character, (counts.get(character) ?? 0) + 1)
  const expected = characters.length / alphabet.length
  return [...alphabet].reduce((sum, character) => sum + ((counts.get(character) ?? 0) - expected) ** 2 / expected, 0)
}
