import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../../../shared/domain/access/ip-address.ts'
import { addressAllowed, faultOfRule, rulesWithin } from '../../../../shared/domain/access/ip-rule.ts'

/** A CIDR block as bits, without any library: the model that the rules are compared with. */
interface Block {
  readonly width: 32 | 128
  readonly network: bigint
  readonly bits: number
}

const block = (width: 32 | 128): fc.Arbitrary<Block> =>
  fc
    .record({ address: fc.bigInt(0n, 2n ** BigInt(width) - 1n), bits: fc.integer({ min: 1, max: width }) })
    .map(({ address, bits }) => ({ width, bits, network: address - (address % sizeOf(width, bits)) }))
    // An IPv4-mapped IPv6 address is an IPv4 address, which other tests cover.
    .filter(({ width, bits, network }) => {
      const edges = [network - 1n, network, network + sizeOf(width, bits) - 1n, network + sizeOf(width, bits)]
      return width === 32 || edges.every((edge) => edge >> 32n !== 0xffffn)
    })

const anyBlock = fc.oneof(block(32), block(128))
const sizeOf = (width: number, bits: number) => 2n ** BigInt(width - bits)
const ruleText = ({ width, network, bits }: Block) => `${textOf(network, width)}/${bits}`

describe('an address rule', () => {
  test('allows the first and the last address of its block, and neither neighbour', () => {
    fc.assert(
      fc.property(anyBlock, (rule) => {
        const first = rule.network
        const last = first + sizeOf(rule.width, rule.bits) - 1n
        const allowed = (value: bigint) => addressAllowed([ruleText(rule)], textOf(value, rule.width))
        expect(faultOfRule(ruleText(rule))).toBeUndefined()
        expect([allowed(first), allowed(last)]).toEqual([true, true])
        if (first > 0n) expect(allowed(first - 1n)).toBe(false)
        if (last + 1n < 2n ** BigInt(rule.width)) expect(allowed(last + 1n)).toBe(false)
      }),
    )
  })

  test('for IPv6 allows no IPv4 address, however it is written and however wide the rule is', () => {
    const clients = ['255.255.255.255', '::ffff:255.255.255.255', '::ffff:ffff:ffff', '[::ffff:192.0.2.7]:443']
    for (const client of clients) expect(addressAllowed(['::/80', '::/1'], client)).toBe(false)
  })

  test('allows exactly the addresses whose first bits are those of the block', () => {
    fc.assert(
      fc.property(block(32), fc.bigInt(0n, 2n ** 32n - 1n), fc.nat({ max: 32 }), (rule, noise, shared) => {
        // An address that shares some bits with the network, so that many hit and many miss.
        const mask = 2n ** BigInt(32 - shared) - 1n
        const address = (rule.network & ~mask) | (noise & mask)
        const inside = address >> BigInt(32 - rule.bits) === rule.network >> BigInt(32 - rule.bits)
        expect(addressAllowed([ruleText(rule)], textOf(address, 32))).toBe(inside)
      }),
    )
  })

  test('without a length is that one address', () => {
    expect(addressAllowed(['192.0.2.7'], '192.0.2.7')).toBe(true)
    expect(addressAllowed(['192.0.2.7'], '192.0.2.8')).toBe(false)
    expect(addressAllowed(['2001:db8::1'], '2001:0DB8:0:0::0001')).toBe(true)
  })

  test('of IPv4 says nothing about IPv6, and the other way round', () => {
    expect(addressAllowed(['1.0.0.0/8'], '100::')).toBe(false)
    expect(addressAllowed(['::/1'], '1.2.3.4')).toBe(false)
  })

  test('of an IPv4 block is the same in both forms, whichever form the address has', () => {
    for (const rule of ['192.0.2.0/24', '::ffff:192.0.2.0/120', '::ffff:c000:200/120']) {
      expect(faultOfRule(rule)).toBeUndefined()
      for (const inside of ['192.0.2.255', '::ffff:192.0.2.255', '::FFFF:c000:2ff', '[::ffff:192.0.2.255]:80']) {
        expect(addressAllowed([rule], inside)).toBe(true)
      }
      expect(addressAllowed([rule], '::ffff:192.0.3.0')).toBe(false)
    }
  })

  test('that matches every address is refused, in every form', () => {
    for (const rule of ['0.0.0.0/0', '::/0', '::ffff:0.0.0.0/96', '::ffff:0:0/96']) {
      expect(faultOfRule(rule)).toMatch(/every address/)
    }
  })

  test('with host bits other than 0 is refused', () => {
    fc.assert(
      fc.property(anyBlock, fc.bigInt(1n, 2n ** 128n), (rule, noise) => {
        const hostBits = noise % sizeOf(rule.width, rule.bits)
        fc.pre(hostBits !== 0n)
        const text = `${textOf(rule.network + hostBits, rule.width)}/${rule.bits}`
        expect(faultOfRule(text)).toMatch(/zeros/)
      }),
    )
  })

  test.each([
    '',
    ' ',
    '192.0.2.0/33',
    '192.0.2.0/-1',
    '192.0.2.0/',
    '192.0.2.0/024',
    '192.0.2.0/24/24',
    '2001:db8::/129',
  ])('is not %j', (text) => expect(faultOfRule(text)).toMatch(/must be an IPv4 or IPv6 address/))

  test.each(['192.0.2.1:80', '[2001:db8::1]', '[2001:db8::1]:443', ' 192.0.2.1', '192.0.2.1\n', '::ffff:0:0/95'])(
    'is not %j: a rule has no port, no brackets and no blanks',
    (text) => expect(faultOfRule(text)).toBeDefined(),
  )
})

describe('rules within other rules', () => {
  const rulesOf = (blocks: readonly Block[]) => blocks.map(ruleText)

  test('allow no address that the others forbid', () => {
    // Blocks near each other, so that many lie inside one another.
    const near = fc
      .record({ address: fc.nat({ max: 255 }), bits: fc.integer({ min: 20, max: 32 }) })
      .map(({ address, bits }): Block => {
        const whole = 0xc0000200n + BigInt(address)
        return { width: 32, bits, network: whole - (whole % sizeOf(32, bits)) }
      })
    const some = fc.array(near, { maxLength: 3 })
    fc.assert(
      fc.property(some, some, fc.nat({ max: 4096 }), (inner, outer, offset) => {
        const address = textOf(0xc0000000n + BigInt(offset), 32)
        const allows = (rules: readonly string[]) => rules.length === 0 || addressAllowed(rules, address)
        if (rulesWithin(rulesOf(inner), rulesOf(outer)) && allows(rulesOf(inner))) {
          expect(allows(rulesOf(outer))).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test.each<[boolean, string[], string[]]>([
    [true, ['192.0.2.0/24'], []],
    [true, [], []],
    [false, [], ['192.0.2.0/24']],
    [true, ['192.0.2.0/24'], ['192.0.2.0/24']],
    [true, ['192.0.2.7', '2001:db8::1'], ['192.0.2.0/24', '2001:db8::/32']],
    [true, ['::ffff:192.0.2.7'], ['192.0.2.0/24']],
    [false, ['192.0.2.0/23'], ['192.0.2.0/24']],
    [false, ['192.0.2.7', '192.0.3.7'], ['192.0.2.0/24']],
    [false, ['2001:db8::1'], ['32.1.13.0/24']],
  ])('it is %s of %j and %j', (expected, inner, outer) => {
    expect(rulesWithin(inner, outer)).toBe(expected)
  })
})

describe('an address', () => {
  test('that is missing or unreadable is inside no rule, and an invalid rule contains no address', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (parseAddress(text) === undefined) expect(addressAllowed(['0.0.0.0/1', '::/1'], text)).toBe(false)
        if (faultOfRule(text) !== undefined) expect(addressAllowed([text], '1.2.3.4')).toBe(false)
      }),
    )
    expect(addressAllowed(['1.2.3.4'], null)).toBe(false)
    expect(addressAllowed([], '1.2.3.4')).toBe(false)
  })
})

function textOf(value: bigint, width: 32 | 128): string {
  const groups = width === 32 ? 4 : 8
  const size = BigInt(width / groups)
  const parts = Array.from(
    { length: groups },
    (_, index) => (value >> (size * BigInt(groups - 1 - index))) % 2n ** size,
  )
  return width === 32 ? parts.join('.') : parts.map((part) => part.toString(16)).join(':')
}
