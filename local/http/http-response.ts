import type { ServerResponse } from 'node:http'
import type { RpcCookie, RpcHttpResponse, RpcTypedData } from '../runtime/rpc.ts'

const WITHOUT_BODY = new Set([204, 205, 304])
const SAME_SITE: Record<string, string> = { lax: 'Lax', strict: 'Strict', explicitNone: 'None' }

/** Sends the response that a function returned; 204 when it returned nothing. */
export function sendRpcResponse(response: ServerResponse, http: RpcHttpResponse | undefined): void {
  if (!http) {
    sendEmpty(response, 204)
    return
  }
  const status = Number(http.statusCode ?? 200)
  const headers: Record<string, string | number | string[]> = { ...http.headers }
  if (http.cookies?.length) headers['set-cookie'] = http.cookies.map(formatCookie)
  if (WITHOUT_BODY.has(status)) {
    response.writeHead(status, headers).end()
    return
  }
  const body = readBody(http.body)
  headers['content-length'] = body.byteLength
  // A latin1 string is sent in one write with the headers; a buffer needs a second write.
  response.writeHead(status, headers).end(body.toString('latin1'), 'latin1')
}

/** Sends a status without a body, as the Functions host does where no function answers. */
export function sendEmpty(response: ServerResponse, status: number): void {
  response.writeHead(status, WITHOUT_BODY.has(status) ? {} : { 'content-length': 0 }).end()
}

function readBody(body: RpcTypedData | null | undefined): Buffer {
  const bytes = body?.bytes
  if (bytes) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Buffer.from(body?.string ?? body?.json ?? '')
}

function formatCookie(cookie: RpcCookie): string {
  const attributes: [string, string | number | true | undefined][] = [
    ['Max-Age', cookie.maxAge?.value],
    ['Domain', cookie.domain?.value],
    ['Path', cookie.path?.value],
    ['Expires', formatExpires(cookie)],
    ['Secure', cookie.secure?.value || undefined],
    ['HttpOnly', cookie.httpOnly?.value || undefined],
    ['SameSite', SAME_SITE[cookie.sameSite ?? 'none']],
  ]
  const set = attributes.filter(([, value]) => value !== undefined)
  return [
    `${encodeURIComponent(cookie.name)}=${encodeURIComponent(cookie.value)}`,
    ...set.map(([name, value]) => (value === true ? name : `${name}=${value}`)),
  ].join('; ')
}

function formatExpires(cookie: RpcCookie): string | undefined {
  const expires = cookie.expires?.value
  return expires && new Date(Number(expires.seconds) * 1_000).toUTCString()
}
