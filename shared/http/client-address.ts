import type { HttpRequest } from '@azure/functions'
import { canonicalAddress } from '../domain/access/ip-address.ts'
import type { ClientIpSource } from '../runtime/config.ts'

/**
 * The address of whoever sent a request, in its canonical form, or null where there is none to trust.
 *
 * Proxies append to `X-Forwarded-For`, Azure's front end being the last of them: the entry that the outermost trusted
 * proxy wrote is the client, counted from the right. What stands left of it is the caller's own text and is never read,
 * however long or broken it is; refusing it would let a caller choose to have no address. Two headers count as one list.
 */
export function clientAddress(headers: HttpRequest['headers'], source: ClientIpSource): string | null {
  switch (source.kind) {
    case 'direct':
      return appendedBy(1, headers)
    case 'hops':
      return appendedBy(source.count, headers)
    case 'frontdoor':
      return behindFrontDoor(source.id, headers)
    case 'none':
      return null
  }
}

/** null, too, where one of the trusted entries is no address: then the proxies are not those that were configured. */
function appendedBy(proxies: number, headers: HttpRequest['headers']): string | null {
  const entries = headers.get('x-forwarded-for')?.split(',') ?? []
  if (entries.length < proxies) return null
  const [client, ...between] = entries.slice(-proxies).map(canonicalAddress)
  return client === undefined || between.includes(null) ? null : client
}

/** The peer of Front Door's own connection: its `X-Azure-ClientIP` can be what the caller says. */
function behindFrontDoor(id: string, headers: HttpRequest['headers']): string | null {
  if (headers.get('x-azure-fdid')?.toLowerCase() !== id) return null
  return canonicalAddress(headers.get('x-azure-socketip') ?? '')
}
