import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6

// ipaddr.js also reads octal, hexadecimal and short forms (`010.1`, `0x7f.1`): a filter must not.
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const ipv4 = new RegExp(`^(?:${OCTET}\\.){3}${OCTET}$`)
const ipv6 = new RegExp(`^[0-9A-Fa-f:]{1,39}(?::(?:${OCTET}\\.){3}${OCTET})?$`)

/**
 * Parses one address as a proxy may write it: `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]:443`. An
 * IPv4-mapped IPv6 address (`::ffff:1.2.3.4`) is that IPv4 address. Returns undefined for anything else, including zone
 * ids.
 */
export function parseAddress(text: string): Address | undefined {
  return parseBareAddress(text) ?? parseBareAddress(withoutPort(text.trim()))
}

/** Parses a bare address: no port, no brackets, no blanks. */
export function parseBareAddress(text: string): Address | undefined {
  if (ipv4.test(text)) return new ipaddr.IPv4(text.split('.').map(Number))
  const hexadecimal = ipv6.test(text) ? withoutDots(text) : ''
  if (!ipaddr.IPv6.isValid(hexadecimal)) return undefined
  const address = ipaddr.IPv6.parse(hexadecimal)
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address
}

/** The canonical form of an address that `parseAddress` accepts (RFC 5952 for IPv6), else null. */
export function canonicalAddress(text: string): string | null {
  const bare = ipv4.test(text) ? text : withoutPort(text.trim())
  if (ipv4.test(bare)) return bare
  const address = parseBareAddress(bare)
  if (address === undefined) return null
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString()
}

/**
 * What counts as one client for its limits: an IPv4 address, or the /64 network of an IPv6 address, since a client can
 * use any address of its /64.
 */
export function clientNetwork(canonical: string): string {
  const address = parseBareAddress(canonical)
  if (!(address instanceof ipaddr.IPv6)) return canonical
  return `${address.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`
}

/** `::10.0.0.1` as `::a00:1`: ipaddr.js reads the former as the IPv4 address 10.0.0.1, which only `::ffff:` makes it. */
function withoutDots(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...octets: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = octets.slice(0, 4).map(Number)
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
}

function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)
  if (bracketed?.[1] !== undefined) return bracketed[1].includes(':') ? bracketed[1] : ''
  const portless = /^([^:]+):\d{1,5}$/.exec(text)
  return portless?.[1] ?? text
}
