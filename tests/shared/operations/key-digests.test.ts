import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyDigests } from '../../../shared/operations/key-digests.ts'

const anyPepper = fc.uint8Array({ minLength: 0, maxLength: 200 })
const anyText = fc.string({ unit: 'grapheme', maxLength: 300 })
const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest('hex')

test('a digest is the HMAC-SHA-256 of the secret, for a pepper of any length and any text', () => {
  fc.assert(
    fc.property(anyPepper, anyText, (bytes, text) => {
      const digests = keyDigests([{ version: 'p1', bytes }])
      expect(digests.make(text)).toEqual({ pepperVersion: 'p1', digest: hmac(bytes, text) })
    }),
  )
})

// At 64 bytes a key fills a block; above, it is hashed first.
test.each([0, 1, 31, 32, 63, 64, 65, 127, 128, 129])('a pepper of %i bytes makes no exception', (length) => {
  const bytes = new Uint8Array(length).map((_, index) => index * 7)
  expect(keyDigests([{ version: 'p1', bytes }]).make('secret').digest).toBe(hmac(bytes, 'secret'))
})

test('digests do not disturb each other: the second of one text is the first again', () => {
  const digests = keyDigests([{ version: 'p1', bytes: new Uint8Array(32) }])
  const first = digests.make('a').digest
  digests.make('b')
  expect(digests.make('a').digest).toBe(first)
})

test('a new key is made under the newest pepper, and looked up under each, newest first', () => {
  const [newer, older] = [new Uint8Array(32).fill(2), new Uint8Array(32).fill(1)]
  const digests = keyDigests([
    { version: 'p2', bytes: newer },
    { version: 'p1', bytes: older },
  ])
  expect(digests.make('secret')).toEqual({ pepperVersion: 'p2', digest: hmac(newer, 'secret') })
  expect([...digests.candidates('secret')]).toEqual([
    { pepperVersion: 'p2', digest: hmac(newer, 'secret') },
    { pepperVersion: 'p1', digest: hmac(older, 'secret') },
  ])
})

test('a pepper that is accepted only makes no digest: keys are looked up under it last', () => {
  const [next, current, older] = [2, 1, 0].map((fill) => new Uint8Array(32).fill(fill)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const digests = keyDigests([
    { version: 'p3', bytes: next, acceptOnly: true },
    { version: 'p2', bytes: current },
    { version: 'p1', bytes: older },
  ])
  expect(digests.newestPepper).toBe('p2')
  expect(digests.make('secret')).toEqual({ pepperVersion: 'p2', digest: hmac(current, 'secret') })
  expect([...digests.candidates('secret')].map(({ pepperVersion }) => pepperVersion)).toEqual(['p2', 'p1', 'p3'])
  expect(['p3', 'p2', 'p1', 'p0'].filter(digests.isOutdated)).toEqual(['p1'])
  expect(() => keyDigests([{ version: 'p3', bytes: next, acceptOnly: true }])).toThrow(RangeError)
})

test('without a pepper nothing is hashed', () => {
  expect(() => keyDigests([])).toThrow(RangeError)
})

test('a cache index is useless outside its process, and differs between secrets', () => {
  const make = () => keyDigests([{ version: 'p1', bytes: new Uint8Array(32) }])
  const here = make()
  expect(here.cacheIndex('a')).toBe(here.cacheIndex('a'))
  expect(here.cacheIndex('a')).not.toBe(here.cacheIndex('b'))
  expect(here.cacheIndex('a')).not.toBe(make().cacheIndex('a'))
})

test('keys for other purposes differ from each other and from the pepper, and addresses are hashed under their own', () => {
  const bytes = new Uint8Array(32).fill(3)
  const digests = keyDigests([{ version: 'p1', bytes }])
  const derived = (purpose: string) => Buffer.concat([...digests.deriveAll(purpose)])
  const hex = (purpose: string) => derived(purpose).toString('hex')
  expect(new Set([hex('cursor'), hex('client-address'), Buffer.from(bytes).toString('hex')]).size).toBe(3)
  expect(digests.ofAddress('192.0.2.1')).toBe(hmac(derived('client-address'), '192.0.2.1').slice(0, 16))
})
