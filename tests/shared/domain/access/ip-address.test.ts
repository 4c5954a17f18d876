import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalAddress, clientNetwork, parseAddress } from '../../../../shared/domain/access/ip-address.ts'
import { addressAllowed, faultOfRule, rulesWithin } from '../../../../shared/domain/access/ip-rule.ts'

/** The eight groups of an IPv6 address; often zeros, often IPv4-mapped or IPv4-compatible. */
const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff }))
const anyGroups = fc.oneof(
  fc.tuple(group, group, group, group, group, group, group, group),
  fc.tuple(...Array(5).fill(fc.constant(0)), fc.constantFrom(0, 0xffff), group, group),
) as fc.Arbitrary<number[]>

/** One spelling of an address: some zeros compressed, upper case, padded groups, the end as IPv4. */
function spellings(groups: readonly number[], flip: () => boolean): string {
  const [g7 = 0, g8 = 0] = groups.slice(6)
  const hex = (value: number) => {
    const text = value.toString(16).padStart(flip() ? 4 : 1, '0')
    return flip() ? text.toUpperCase() : text
  }
  const end = flip() ? [`${g7 >> 8}.${g7 & 255}.${g8 >> 8}.${g8 & 255}`] : [hex(g7), hex(g8)]
  const parts = [...groups.slice(0, 6).map(hex), ...end]
  const runs = [
    ...`${groups
      .slice(0, 8 - (end.length === 1 ? 2 : 0))
      .map((value) => (value === 0 ? 'z' : 'n'))
      .join('')}`.matchAll(/zz+/g),
  ]
  const run = runs[flip() ? 0 : runs.length - 1]
  if (run === undefined || flip()) return parts.join(':')
  return `${parts.slice(0, run.index).join(':')}::${parts.slice(run.index + run[0].length).join(':')}`
}

/** `::ffff:a00:1` as `::ffff:10.0.0.1`. */
function mappedText(system: string): string {
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(system) ?? []
  if (high === undefined || low === undefined) return system
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return `::ffff:${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`
}

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
    ['::10.0.0.1', '0:0:0:0:0:0:a00:1'],
    ['::a00:1', '0:0:0:0:0:0:a00:1'],
    ['64:ff9b::10.0.0.1', '64:ff9b:0:0:0:0:a00:1'],
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

  test('gets one verdict in every spelling, as a caller and in a rule', () => {
    fc.assert(
      fc.property(anyGroups, fc.infiniteStream(fc.boolean()), (groups, coins) => {
        const flip = () => coins.next().value === true
        const [one, other] = [spellings(groups, flip), spellings(groups, flip)]
        expect([other, canonicalAddress(one)]).toEqual([other, canonicalAddress(other)])
        expect(canonicalAddress(one)).not.toBeNull()
        expect(faultOfRule(one)).toBeUndefined()
        expect([one, other, addressAllowed([one], other)]).toEqual([one, other, true])
        expect(rulesWithin([one], [other])).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  test('is the same to this service as to the system', () => {
    fc.assert(
      fc.property(anyGroups, fc.infiniteStream(fc.boolean()), (groups, coins) => {
        const spelled = spellings(groups, () => coins.next().value === true)
        const system = new URL(`http://[${spelled}]/`).hostname.slice(1, -1)
        const ours = canonicalAddress(spelled) ?? ''
        expect([spelled, ours.includes(':') ? ours : `::ffff:${ours}`]).toEqual([spelled, mappedText(system)])
      }),
      { numRuns: 1000 },
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
