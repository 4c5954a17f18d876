import ipaddr from 'ipaddr.js'
import { type Address, parseAddress, parseBareAddress } from './ip-address.ts'

/** Why a text is no valid rule (an address, or a CIDR block whose host bits are 0); undefined for a valid rule. */
export function faultOfRule(text: string): string | undefined {
  const rule = parseRule(text)
  if (rule === undefined) return 'must be an IPv4 or IPv6 address, or a CIDR block such as 192.0.2.0/24'
  if (rule.bits === 0) return 'must not match every address: leave ip_restrictions empty instead'
  if (!isNetworkAddress(rule)) return 'must have only zeros after the prefix'
  return undefined
}

/** Whether the address is inside at least one rule; false for an unreadable or missing address. */
export function addressAllowed(rules: readonly string[], clientIp: string | null): boolean {
  const address = clientIp === null ? undefined : parseAddress(clientIp)
  if (address === undefined) return false
  return parseRules(rules).some((rule) => contains(rule, address))
}

/**
 * Whether `rules` allow no address that `bounds` forbid: every rule is inside one of the bounds. As everywhere, an
 * empty list allows every address.
 */
export function rulesWithin(rules: readonly string[], bounds: readonly string[]): boolean {
  if (bounds.length === 0) return true
  if (rules.length === 0) return false
  const limits = parseRules(bounds)
  return parseRules(rules).every((rule) =>
    limits.some((limit) => limit.bits <= rule.bits && contains(limit, rule.address)),
  )
}

interface Rule {
  readonly address: Address
  readonly bits: number
}

function contains(rule: Rule, address: Address): boolean {
  return rule.address.kind() === address.kind() && address.match(rule.address, rule.bits)
}

// Parsed once per list: a list is checked on every use and never changes.
const parsedRules = new WeakMap<readonly string[], readonly Rule[]>()

function parseRules(texts: readonly string[]): readonly Rule[] {
  const parsed = parsedRules.get(texts)
  if (parsed !== undefined) return parsed
  const rules = texts.map(parseRule).filter((rule) => rule !== undefined)
  parsedRules.set(texts, rules)
  return rules
}

function parseRule(text: string): Rule | undefined {
  const [, host, length] = /^([^/]+?)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const address = host === undefined ? undefined : parseBareAddress(host)
  if (address === undefined) return undefined
  const width = address.kind() === 'ipv4' ? 32 : 128
  // `::ffff:192.0.2.0/120` is a rule about 192.0.2.0/24.
  const mapped = width === 32 && text.includes(':') ? 96 : 0
  const bits = length === undefined ? width : Number(length) - mapped
  return bits >= 0 && bits <= width ? { address, bits } : undefined
}

function isNetworkAddress({ address, bits }: Rule): boolean {
  return networkOf(address, bits).toString() === address.toString()
}

function networkOf(address: Address, bits: number): Address {
  const text = `${address.toString()}/${bits}`
  return address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(text) : ipaddr.IPv6.networkAddressFromCIDR(text)
}
