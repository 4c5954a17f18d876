import { HttpRequest, type HttpResponseInit } from '@azure/functions'
import type { Services } from '../../../shared/app/services.ts'
import type { Access } from '../../../shared/http/endpoint-spec.ts'
import type { Log } from '../../../shared/ports/runtime.ts'
import { brokenPromises } from '../contracts/reply-promises.ts'
import { adminKey } from '../memory/fake-services.ts'

/** The part of `endpoint()`'s result that tests use. */
export interface Endpoint {
  readonly name: string
  readonly method: string
  readonly route: string
  readonly access: Access
  readonly head?: true
  readonly wrongMethods?: 'elsewhere' | { readonly besides: readonly string[] }
  readonly idempotent?: true | 'if_possible' | 'verdict'
  readonly params?: unknown
  readonly query?: unknown
  readonly body?: unknown
  readonly rawBody?: boolean
  readonly maxBodyBytes?: number
  readonly run: (request: HttpRequest, provide: () => Services, log: Log) => Promise<HttpResponseInit>
}

export interface CallOptions {
  /** Default: the endpoint's own method. */
  readonly method?: string
  /** Sent as `X-API-Key`. Default: the admin key; null sends none. */
  readonly key?: string | null
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent verbatim, in place of `json`. */
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  /** The error that composing the services throws. */
  readonly broken?: Error
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a reply is checked against its contract before a test reads it.
  readonly body: any
  readonly logged: readonly LogLine[]
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: Parameters<Log>[2]
}

/**
 * Calls an endpoint as the host would. Throws where the reply breaks a promise of every reply: its contract or a
 * problem, the request id, no caching, a secret only where one is generated, and none in the log.
 */
export async function call(endpoint: Endpoint, services: Services, options: CallOptions = {}): Promise<Reply> {
  const logged: LogLine[] = []
  const provide = () => {
    if (options.broken !== undefined) throw options.broken
    return services
  }
  const log: Log = (level, message, fields) => logged.push({ level, message, fields })
  const response = await endpoint.run(requestTo(endpoint, options), provide, log)
  const text = String(response.body ?? '')
  const headers = Object.fromEntries(new Headers(response.headers as Record<string, string>))
  const body = text !== '' && headers['content-type']?.includes('json') ? JSON.parse(text) : text
  const reply = { status: response.status ?? 200, headers, text, body, logged }
  const broken = text === '' ? [] : brokenPromises(endpoint.name, reply)
  if (broken.length > 0)
    throw new Error(`${endpoint.name} answered ${reply.status} ${text} and broke: ${broken.join('; ')}`)
  return reply
}

function requestTo(
  endpoint: Endpoint,
  { method = endpoint.method, key = adminKey, params = {}, query = {}, headers = {}, ...sent }: CallOptions,
) {
  const path = endpoint.route.replaceAll(/\{(\w+)[^}]*\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  const search = new URLSearchParams(query).toString()
  const body = sent.body ?? (sent.json === undefined ? undefined : JSON.stringify(sent.json))
  return new HttpRequest({
    method,
    url: `http://localhost/${path}${search === '' ? '' : `?${search}`}`,
    params: { ...params },
    headers: {
      ...(key !== null && { 'x-api-key': key }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: { bytes: typeof body === 'string' ? Buffer.from(body) : body } }),
  })
}
