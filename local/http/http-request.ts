import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { RpcHttpRequest, RpcTraceContext } from '../runtime/rpc.ts'

/** `parts` is the path, split and decoded; an escaped slash stays escaped, as in Kestrel. */
export type Target = { parts: string[]; query: string }

const TRACE_PARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/

/** Parses a request target as Kestrel does. Returns undefined for a malformed target, which is answered with 400. */
export function parseTarget(url: string): Target | undefined {
  const mark = url.indexOf('?')
  const query = mark === -1 ? '' : url.slice(mark + 1)
  let path = mark === -1 ? url : url.slice(0, mark)
  try {
    if (path[0] !== '/') path = new URL(path).pathname
    // Dot segments are rare and costly to resolve; only a path that may hold one is parsed as a URL.
    else if (/\/(?:\.|%2e)/i.test(path)) path = new URL(path, 'http://localhost').pathname
    return { parts: splitPath(path), query }
  } catch {
    return undefined
  }
}

function splitPath(path: string): string[] {
  const parts = path.split('/')
  parts.shift()
  if (parts.at(-1) === '') parts.pop()
  return path.includes('%') ? parts.map(decodePart) : parts
}

/** Decodes escapes of UTF-8, and leaves any other text as it is. */
function decodePart(part: string): string {
  const kept = part.replaceAll(/%2f/gi, (slash) => `%25${slash.slice(1)}`)
  return kept.replaceAll(/(?:%[0-9a-f]{2})+/gi, (escapes) => decoded(escapes) ?? decodeEach(escapes))
}

/** The escapes of one character are one to four bytes. */
function decodeEach(escapes: string): string {
  for (let bytes = 4; bytes > 0; bytes--) {
    const first = decoded(escapes.slice(0, 3 * bytes))
    if (first !== undefined && escapes.length > 3 * bytes) return first + decodeEach(escapes.slice(3 * bytes))
    if (first !== undefined) return first
  }
  return escapes.length > 3 ? escapes.slice(0, 3) + decodeEach(escapes.slice(3)) : escapes
}

function decoded(escapes: string): string | undefined {
  try {
    return decodeURIComponent(escapes)
  } catch {
    return undefined
  }
}

/**
 * Converts a request to what the worker receives: header names in lower case, the values of a repeated header or query
 * key joined with a comma, every parameter a string, even if it looks like a number.
 */
export function toRpcHttpRequest(
  request: IncomingMessage,
  query: string,
  params: Record<string, string>,
  body: Buffer | undefined,
): RpcHttpRequest {
  return {
    method: request.method ?? 'GET',
    url: readUrl(request),
    nullableHeaders: withPeer(readHeaders(request.rawHeaders), request.socket),
    nullableQuery: query === '' ? {} : readQuery(query),
    nullableParams: toNullable(params),
    ...(body ? { body: { bytes: body } } : {}),
  }
}

/** A target in absolute form, `GET http://host/path`, is a URL already. */
function readUrl({ url = '/', headers: { host = 'localhost' } }: IncomingMessage): string {
  return url.startsWith('/') ? `http://${host}${url}` : url
}

/** Continues the caller's trace with a new span if its `traceparent` is well formed; else starts a new trace. */
export function createTraceContext(request?: IncomingMessage): RpcTraceContext {
  const span = hex().slice(0, 16)
  const given = request?.headers.traceparent
  const [, traceId, flags] = TRACE_PARENT.exec(typeof given === 'string' ? given : '') ?? []
  if (traceId === undefined) return { traceParent: `00-${hex()}-${span}-00`, traceState: '', attributes: {} }
  const traceState = request?.headers.tracestate
  return {
    traceParent: `00-${traceId}-${span}-${flags}`,
    traceState: typeof traceState === 'string' ? traceState : '',
    attributes: {},
  }
}

function readHeaders(rawHeaders: readonly string[]): RpcHttpRequest['nullableHeaders'] {
  // No prototype: `constructor` is a valid header name.
  const headers: RpcHttpRequest['nullableHeaders'] = Object.create(null)
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = [rawHeaders[index]?.toLowerCase(), rawHeaders[index + 1]]
    const earlier = headers[name]
    headers[name] = { value: earlier ? `${earlier.value},${value}` : value }
  }
  return headers
}

/** Appends the peer's address and port, as Azure's front end does: functions that read client addresses need it. */
function withPeer(headers: RpcHttpRequest['nullableHeaders'], { remoteAddress, remotePort }: Socket) {
  const address = remoteAddress ?? 'unknown'
  const peer = address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}`
  const earlier = headers['x-forwarded-for']?.value
  headers['x-forwarded-for'] = { value: earlier ? `${earlier}, ${peer}` : peer }
  return headers
}

function readQuery(query: string): RpcHttpRequest['nullableQuery'] {
  const values = new Map<string, { key: string; value: string }>()
  for (const [key, value] of new URLSearchParams(query)) {
    // ASP.NET Core treats `Limit` and `limit` as one key and keeps the first spelling.
    const earlier = values.get(key.toLowerCase())
    if (earlier) earlier.value += `,${value}`
    else values.set(key.toLowerCase(), { key, value })
  }
  return Object.fromEntries([...values.values()].map(({ key, value }) => [key, { value }]))
}

function toNullable(values: Record<string, string>): Record<string, { value: string }> {
  const result: Record<string, { value: string }> = {}
  for (const [key, value] of Object.entries(values)) result[key] = { value }
  return result
}

/** Returns 32 random hex digits. Node generates UUIDs in bulk, at a tenth of the cost of `randomBytes`. */
function hex(): string {
  return randomUUID().replaceAll('-', '')
}
