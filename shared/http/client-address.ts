import type { HttpRequest } from '@azure/functions'
import { canonicalAddress } from '../domain/access/ip-address.ts'
import type { ClientIpSource } from '../runtime/config.ts'

/**
 * Returns the client's address in canonical form, or null where no source can be trusted.
 *
 * Every proxy appends to `X-Forwarded-For`, Azure's front end last. The client is the entry that the outermost trusted
 * proxy wrote, counted from the right. Entries left of it are the caller's own text and are never read, however long or
 * broken: refusing them would let a caller choose to have no address. Two headers count as one list.
 */
export function clientAddress(headers: HttpRequest['headers'], source: ClientIpSource): string | null {
  switch (source.kind) {
    case 'direct':
      return behindProxies(1, headers)
    case 'hops':
      return behindProxies(source.count, headers)
    case 'frontdoor':
      return behindFrontDoor(source.id, headers)
    case 'none':
      return null
  }
}

/** Returns null also where a trusted entry is not an address: the proxies differ from the configured ones. */
function behindProxies(proxies: number, headers: HttpRequest['headers']): string | null {
  const entries = headers.get('x-forwarded-for')?.split(',') ?? []
  if (entries.length < proxies) return null
  const [client, ...between] = entries.slice(-proxies).map(canonicalAddress)
  return client === undefined || between.includes(null) ? null : client
}

/** Reads the peer of Front Door's own connection; `X-Azure-ClientIP` can be forged by the caller. */
function behindFrontDoor(id: string, headers: HttpRequest['headers']): string | null {
  if (headers.get('x-azure-fdid')?.toLowerCase() !== id) return null
  return canonicalAddress(headers.get('x-azure-socketip') ?? '')
}
