import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientAddress } from '../../../shared/http/client-address.ts'
import type { ClientIpSource } from '../../../shared/runtime/config.ts'

const profile = '0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9'
const direct: ClientIpSource = { kind: 'direct' }
const hops = (count: number): ClientIpSource => ({ kind: 'hops', count })
const frontDoor: ClientIpSource = { kind: 'frontdoor', id: profile }

const behind = (source: ClientIpSource, ...forwarded: string[]) =>
  clientAddress(new Headers(forwarded.map((value) => ['x-forwarded-for', value])), source)

/** An entry as a proxy may write it: with or without a port, IPv4 or IPv6. */
const entry = fc.oneof(
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address}]`),
  fc.tuple(fc.ipV4(), fc.nat({ max: 65_535 })).map(([address, port]) => `${address}:${port}`),
  fc.tuple(fc.ipV6(), fc.nat({ max: 65_535 })).map(([address, port]) => `[${address}]:${port}`),
)
/** Entries that a caller may forge: headers take printable ASCII. */
const forged = fc.oneof(
  fc.array(fc.oneof(entry, fc.constantFrom('', ' ', 'unknown', '127.0.0.1', '::1')), { maxLength: 50 }).map(joined),
  fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 200 }),
)

function joined(entries: readonly string[]): string {
  return entries.join(', ')
}

describe('an address behind proxies', () => {
  test('is not changed by any prefix that a caller forges', () => {
    const proxies = fc.array(entry, { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(proxies, forged, fc.boolean(), (real, prefix, twoHeaders) => {
        const source = hops(real.length)
        const honest = behind(source, joined(real))
        expect(honest).not.toBeNull()
        expect(twoHeaders ? behind(source, prefix, joined(real)) : behind(source, `${prefix}, ${joined(real)}`)).toBe(
          honest,
        )
        if (real.length === 1) expect(behind(direct, `${prefix},${joined(real)}`)).toBe(honest)
      }),
    )
  })

  test.each<[string, ClientIpSource, string[], string | null]>([
    ['the last entry, without its port', direct, ['203.0.113.9, 192.0.2.7:51234'], '192.0.2.7'],
    ['an IPv6 entry in brackets', direct, ['[2001:db8::7]:51234'], '2001:db8::7'],
    ['an IPv4 address inside IPv6', direct, ['::ffff:192.0.2.7'], '192.0.2.7'],
    ['the last of two headers, in their order', direct, ['192.0.2.1', '192.0.2.7'], '192.0.2.7'],
    ['the second from the right behind two proxies', hops(2), ['203.0.113.9, 192.0.2.7, 10.0.0.1:80'], '192.0.2.7'],
    ['counted over two headers', hops(3), ['203.0.113.9, 192.0.2.7', '10.0.0.1, 10.0.0.2'], '192.0.2.7'],
    ['the same behind one proxy as directly', hops(1), ['203.0.113.9, 192.0.2.7'], '192.0.2.7'],
    ['none where there are fewer entries than trusted proxies', hops(3), ['192.0.2.7, 10.0.0.1'], null],
    ['none where a trusted proxy wrote no address', hops(2), ['192.0.2.7, unknown'], null],
    ['none where a trusted entry is empty', hops(2), ['192.0.2.7,, 10.0.0.1'], null],
    ['none at the end of a list that ends with a comma', direct, ['192.0.2.7,'], null],
    ['none for a name', direct, ['localhost'], null],
    ['none for a zone id', direct, ['fe80::1%eth0'], null],
    ['none for octal', direct, ['010.1.1.1'], null],
    ['none for a short form', direct, ['127.1'], null],
    ['none for an empty header', direct, [''], null],
    ['none without the header', direct, [], null],
    ['none where no source is trusted', { kind: 'none' }, ['192.0.2.7'], null],
  ])('is %s', (_, source, forwarded, expected) => {
    expect(behind(source, ...forwarded)).toBe(expected)
  })

  test('is not taken from headers that only a caller would send', () => {
    const headers = new Headers(
      ['client-ip', 'x-client-ip', 'x-real-ip', 'forwarded', 'x-azure-clientip', 'x-azure-socketip'].map((name) => [
        name,
        '192.0.2.7',
      ]),
    )
    expect(clientAddress(headers, direct)).toBeNull()
    expect(clientAddress(headers, hops(1))).toBeNull()
  })
})

describe('an address behind Front Door', () => {
  const sent = (headers: Record<string, string>) => clientAddress(new Headers(headers), frontDoor)
  const socket = { 'x-azure-socketip': '192.0.2.7' }

  test('is the peer of the connection to Front Door, and only for our own profile', () => {
    expect(sent({ ...socket, 'x-azure-fdid': profile })).toBe('192.0.2.7')
    expect(sent({ ...socket, 'x-azure-fdid': profile.toUpperCase() })).toBe('192.0.2.7')
    for (const id of ['', profile.replace('0', '1'), `${profile}, ${profile}`, `${profile}0`]) {
      expect(sent({ ...socket, 'x-azure-fdid': id })).toBeNull()
    }
    expect(sent(socket)).toBeNull()
  })

  test('is not what the caller claims', () => {
    const forged = { 'x-forwarded-for': '203.0.113.9', 'x-azure-clientip': '203.0.113.9' }
    expect(sent({ ...socket, ...forged, 'x-azure-fdid': profile })).toBe('192.0.2.7')
    expect(sent({ ...forged, 'x-azure-fdid': profile })).toBeNull()
    expect(sent({ 'x-azure-socketip': '203.0.113.9, 192.0.2.7', 'x-azure-fdid': profile })).toBeNull()
  })
})
