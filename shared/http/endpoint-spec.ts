import type { HttpMethod, HttpRequest } from '@azure/functions'
import type * as z from 'zod'
import type { Services } from '../app/services.ts'
import type { ManagementScope } from '../domain/access/scope.ts'
import type { StoredAnswer } from '../ports/idempotency.ts'
import type { Log } from '../ports/runtime.ts'
import type { Caller, Holder } from './authenticate.ts'

/** Who may call: a caller with this management scope, an operator with it, the holder of a key, or anyone. */
export type Access =
  | ManagementScope
  | { readonly operator: ManagementScope }
  | 'holder'
  /** A holder whose key may be revoked, expired or disabled. */
  | 'possessor'
  | 'public'

export type CallerOf<A extends Access> = A extends 'public'
  ? undefined
  : A extends 'holder' | 'possessor'
    ? Holder
    : Caller

export interface Answer {
  /** Default: 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
  /** What a replay under the same Idempotency-Key returns instead: the body without its secret. */
  readonly replayBody?: unknown
  /** Further fields of the request's log line: ids and codes, nothing that a caller sent. */
  readonly logFields?: Readonly<Record<string, string | number | boolean | null>>
}

export interface Call<A extends Access, Params, Query, Body> {
  readonly caller: CallerOf<A>
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The unparsed body, for routes that read more than JSON. */
  readonly text: string
  readonly request: HttpRequest
  /** The client's canonical address; null where no source can be trusted, and for a public call. */
  readonly clientIp: string | null
  readonly requestId: string
  /** Raises the weight of this call to `units` of work in flight. Throws `too_many_requests_in_flight`. */
  readonly weigh: (units: number) => void
  /** A ULID for what the call creates: the same on every retry under one Idempotency-Key. */
  readonly seed: string
  /** undefined for a public call, which must answer even when a setting is wrong. */
  readonly services: A extends 'public' ? undefined : Services
  /** Composes the services. Throws `misconfigured`, with a `ConfigError` as its cause. */
  readonly provide: () => Services
  readonly log: Log
}

export interface EndpointSpec<A extends Access, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  /** The name of the function and of its file. */
  readonly name: string
  readonly method: HttpMethod
  readonly route: string
  /** Also answers HEAD, like GET and without a body. */
  readonly head?: true
  /**
   * Which function of the route refuses the methods that none takes, with 405. Default: this one, alone on its route.
   * `besides`: this one, and other functions take these methods.
   */
  readonly wrongMethods?: 'elsewhere' | { readonly besides: readonly HttpMethod[] }
  readonly access: A
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** The handler parses `text` itself; `body` is undefined. */
  readonly rawBody?: boolean
  /** Default: 64 KiB. */
  readonly maxBodyBytes?: number
  /**
   * Honours Idempotency-Key; every endpoint that changes something declares it. `if_possible` runs the call without it
   * while the idempotency store is down: the call is idempotent by nature. `verdict` keeps the answer for a minute, and
   * reads and stores nothing for a call without the header.
   */
  readonly idempotent?: true | 'if_possible' | 'verdict'
  /** Makes the answer to a retry from the stored answer; default: the stored answer itself. */
  readonly replay?: (call: Call<A, z.output<P>, z.output<Q>, z.output<B>>, stored: StoredAnswer) => Promise<Answer>
  /** Exempt from the caller's limit: for calls that a caller makes on every request of its own customers. */
  readonly unlimited?: boolean
  /** Exempt from the bound of the caller's work in flight: for calls that end keys. */
  readonly urgent?: boolean
  readonly handle: (call: Call<A, z.output<P>, z.output<Q>, z.output<B>>) => Promise<Answer>
}
