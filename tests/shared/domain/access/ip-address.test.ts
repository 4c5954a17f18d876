import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalAddress, clientNetwork, parseAddress } from '../../../../shared/domain/access/ip-address.ts'
import { addressAllowed } from '../../../../shared/domain/access/ip-rule.ts'

describe('an address', () => {
  const canonical = (text: string) => parseAddress(text)?.toNormalizedString()

  test.each([
    ['1.2.3.4', '1.2.3.4'],
    [' 1.2.3.4 ', '1.2.3.4'],
    ['1.2.3.4:5678', '1.2.3.4'],
    ['2001:db8::1', '2001:db8:0:0:0:0:0:1'],
    ['2001:0DB8:0000:0000:0000:0000:0000:0001', '2001:db8:0:0:0:0:0:1'],
    ['[2001:db8::1]', '2001:db8:0:0:0:0:0:1'],
    ['[2001:db8::1]:443', '2001:db8:0:0:0:0:0:1'],
    ['::', '0:0:0:0:0:0:0:0'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:102:304', '1.2.3.4'],
    ['[::ffff:1.2.3.4]:80', '1.2.3.4'],
    ['0:0:0:0:0:ffff:1.2.3.4', '1.2.3.4'],
  ])('%j is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected)
  })

  test.each([
    ['octal', ['010.1.1.1', '1.2.3.04', '00.0.0.0', '::ffff:010.1.1.1', '::ffff:1.2.3.04']],
    ['hexadecimal', ['0x7f.0.0.1', '0x7f000001', '1.2.3.0x4', '::ffff:0x1.2.3.4']],
    ['short', ['1', '1.2', '1.2.3', '127.1', '2130706433', '::ffff:1.2.3']],
    ['too large', ['256.0.0.1', '1.2.3.4.5', '::ffff:1.2.3.256', '12345::', '1:2:3:4:5:6:7:8:9']],
    ['a zone id', ['fe80::1%eth0', 'fe80::1%1', '[fe80::1%eth0]:80', '1.2.3.4%1']],
    [
      'a wrong bracket or port',
      ['[1.2.3.4]', '[1.2.3.4]:80', '[::1', '::1]', '1.2.3.4:', '1.2.3.4:port', '1.2.3.4:123456'],
    ],
    ['ambiguous', ['1::2::3', ':::', ':', '1:2:3:4:5:6:7', '::1:', '1.2.3.4, 5.6.7.8', '1.2.3.4 5.6.7.8']],
    ['no address', ['', ' ', 'localhost', 'unknown', '-', '١.٢.٣.٤', '1.2.3.4/32', 'null', '＃']],
  ])('is not read from a text that is %s', (_, texts) => {
    for (const text of texts) {
      expect([text, canonical(text)]).toEqual([text, undefined])
      expect(addressAllowed(['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'], text)).toBe(false)
      expect(canonicalAddress(text)).toBeNull()
    }
  })

  test('is the same address in every notation', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.ipV4(), (six, four) => {
        const spelled = six.toUpperCase()
        expect(canonical(`[${spelled}]:8080`)).toBe(canonical(six))
        expect(canonical(six)).toBeDefined()
        expect(canonical(`::ffff:${four}`)).toBe(four)
        expect(canonical(`${four}:443`)).toBe(four)
      }),
    )
  })

  test('has one canonical form, which is read as the same address again', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const form = canonicalAddress(text)
        if (form === null) throw new Error(`no address: ${text}`)
        expect(canonical(form)).toBe(canonical(text))
        expect([canonicalAddress(form), canonicalAddress(` ${text.toUpperCase()} `)]).toEqual([form, form])
      }),
    )
  })

  test.each([
    ['1.2.3.4:80', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['[2001:DB8:0:0:1:0:0:1]:443', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['0:0:0:0:0:0:0:0', '::'],
  ])('%s is written %s (RFC 5952)', (text, form) => expect(canonicalAddress(text)).toBe(form))
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
  ['2001:db8:0:1::', '2001:db8:0:1::/64'],
  ['::1', '0:0:0:0::/64'],
])('the client %s is limited as %s', (address, network) => expect(clientNetwork(address)).toBe(network))
