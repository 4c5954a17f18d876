import type { HttpMethod, HttpRequest } from '@azure/functions'
import type * as z from 'zod'
import type { Services } from '../app/services.ts'
import type { ManagementScope } from '../domain/access/scope.ts'
import type { Log } from '../ports/runtime.ts'
import type { Caller, Holder } from './authenticate.ts'

/** Who may call: a management scope, an operator with that scope, the holder of a key, anyone. */
export type Access =
  | ManagementScope
  | { readonly operator: ManagementScope }
  | 'holder'
  /** A holder whose key may be dead already. */
  | 'possessor'
  | 'public'

export type CallerOf<A extends Access> = A extends 'public'
  ? undefined
  : A extends 'holder' | 'possessor'
    ? Holder
    : Caller

export interface Answer {
  /** 200 where absent. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
  /** What a replay under the same Idempotency-Key may show instead: the body without its secret. */
  readonly replayBody?: unknown
  /** What the log line of the request says besides: ids and codes, nothing that a caller sent. */
  readonly trace?: Readonly<Record<string, string | number | boolean | null>>
}

export interface Call<A extends Access, Params, Query, Body> {
  readonly caller: CallerOf<A>
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The body as it came, for the routes that read more than JSON. */
  readonly text: string
  readonly request: HttpRequest
  /** Of whoever sent the request, canonical; null where there is none to trust, and for a public call. */
  readonly clientIp: string | null
  readonly requestId: string
  /** A ULID for whatever the call makes: the same on every try under one Idempotency-Key. */
  readonly seed: string
  /** undefined for a public call, which must answer also when the service is not set up. */
  readonly services: A extends 'public' ? undefined : Services
  /** Composes the services. Throws `misconfigured`, with a `ConfigError` as its cause. */
  readonly provide: () => Services
  readonly log: Log
}

export interface EndpointSpec<A extends Access, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  /** Name of the function, and of its file. */
  readonly name: string
  readonly method: HttpMethod
  readonly route: string
  readonly access: A
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** The handler reads `text` itself; `body` is undefined. */
  readonly rawBody?: boolean
  /** 64 KiB where absent. */
  readonly maxBodyBytes?: number
  /**
   * For every call that changes something: honours Idempotency-Key. `if_possible`: also while that cannot be done, since
   * the same call again changes nothing by itself.
   */
  readonly idempotent?: true | 'if_possible'
  /** Calls are not held to the limit per caller: for what a caller sends with every request of its own customers. */
  readonly unlimited?: boolean
  readonly handle: (call: Call<A, z.output<P>, z.output<Q>, z.output<B>>) => Promise<Answer>
}
