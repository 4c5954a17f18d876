import type * as z from 'zod'

/** One call and its reply on the wire. */
export interface Exchange {
  readonly call: string
  readonly status: number
  /** Headers and body of the reply. */
  readonly reply: string
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Parses the body by its contract. Throws the mismatch, with the body. */
  as<Schema extends z.ZodType>(schema: Schema): z.output<Schema>
}

export interface CallOptions {
  /** Sent as `X-API-Key`. */
  readonly credential?: string
  readonly body?: unknown
  /** A body sent verbatim as JSON. */
  readonly rawBody?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Sends `METHOD /path` to a host and appends the exchange to `transcript`. Rejects when there is no reply. */
export async function callApi(
  baseUrl: string,
  call: `${string} /${string}`,
  options: CallOptions = {},
  transcript?: Exchange[],
): Promise<Reply> {
  const [method = '', path = ''] = call.split(/ (.*)/s)
  const { credential, signal } = options
  const body = options.rawBody ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  const response = await fetch(`${baseUrl}${path}`, {
    method,
    headers: {
      ...(credential !== undefined && { 'x-api-key': credential }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body !== undefined && { body }),
    ...(signal !== undefined && { signal }),
  })
  const text = await response.text()
  transcript?.push({
    call,
    status: response.status,
    reply: `${[...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n${text}`,
  })
  return {
    status: response.status,
    headers: response.headers,
    text,
    as: (schema) => {
      const parsed = schema.safeParse(text === '' ? undefined : JSON.parse(text))
      if (parsed.success) return parsed.data
      throw new Error(`${call} answered ${response.status} ${text.slice(0, 2000)}: ${parsed.error.message}`)
    },
  }
}
