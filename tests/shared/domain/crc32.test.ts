import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32 } from '../../../shared/domain/crc32.ts'

test('the check value of CRC-32/ISO-HDLC', () => {
  expect(crc32('123456789')).toBe(0xcbf43926)
})

test('any ASCII text has the checksum that zlib gives it, the empty one included', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 300 }), (text) => {
      expect(crc32(text)).toBe(zlibCrc32(text))
    }),
  )
})
