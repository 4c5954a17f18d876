import * as z from 'zod'
import type { Services } from '../app/services.ts'
import { AppError } from '../domain/errors.ts'
import { tooManyFailures } from '../operations/limits/failure-limits.ts'
import {
  authenticateCaller,
  authenticateHolder,
  type Caller,
  type Holder,
  needsLookup,
  type Presented,
} from './authenticate.ts'
import { authorize } from './authorize.ts'
import type { Access, Answer, Call, EndpointSpec } from './endpoint-spec.ts'
import { runIdempotent, runVerdict } from './idempotency.ts'
import { check, decodeUtf8, invalidRequest, parseJson, readBytes, refuseCompression } from './read-request.ts'

/** A call before its contract is checked. */
export type Arrival<A extends Access> = Omit<
  Call<A, never, never, never>,
  'params' | 'query' | 'body' | 'text' | 'seed'
>

export type EmptyObject = z.ZodObject<Record<never, never>, z.core.$strict>
const emptyObject: EmptyObject = z.strictObject({})
const DEFAULT_MAX_BODY_BYTES = 64 * 1024
/** A large body is work before its items are known. */
const BYTES_PER_UNIT = 16 * 1024
const noBytes = new Uint8Array()

/**
 * Authenticates and authorizes the caller; undefined for a public call. Throws `unauthenticated` or `forbidden`.
 * While the failure budget of the client's address is exhausted, delays the lookup of a key that is not known here by 1 s
 * at most, and throws `too_many_failures` where the queue for such lookups is full, and for what is no key at all.
 */
export async function authenticate(
  access: Access,
  services: Services,
  presented: Presented,
): Promise<Caller | Holder | undefined> {
  if (access === 'public') return undefined
  const { failures } = services
  const budgets = () => failures.authentication(presented.clientIp)
  const spent = failures.areAnySpent() && failures.areSpent(budgets())
  const isSlowed = spent && needsLookup(services, presented)
  if (isSlowed) await failures.admit([budgets()])
  try {
    return await identify(access, services, presented)
  } catch (error) {
    if (!isUnauthenticated(error)) throw error
    if (spent && !isSlowed) throw tooManyFailures(budgets())
    failures.count(budgets())
    throw error
  }
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof AppError && error.code === 'unauthenticated'
}

async function identify(
  access: Exclude<Access, 'public'>,
  services: Services,
  presented: Presented,
): Promise<Caller | Holder> {
  if (access === 'holder' || access === 'possessor') {
    return authenticateHolder(services, presented, { allowInactive: access === 'possessor' })
  }
  // A revoked key that an outage hides could do anything elsewhere. Here it gets verdicts on keys whose secrets it has.
  const caller = await authenticateCaller(services, presented, { mayBeStale: access === 'keys:validate' })
  const operator = typeof access === 'object'
  authorize(caller, operator ? access.operator : access, operator)
  return caller
}

/**
 * Checks the request against its contract and handles it, once per Idempotency-Key where declared. Throws
 * `invalid_request` with all errors at once.
 */
export async function handleCall<A extends Access, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  spec: EndpointSpec<A, P, Q, B>,
  arrival: Arrival<A>,
): Promise<Answer> {
  const { request, services, caller } = arrival
  refuseCompression(request)
  const bytes = request.body === null ? noBytes : await readBytes(request, spec.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES)
  arrival.weigh(Math.ceil(bytes.length / BYTES_PER_UNIT))
  const text = decodeUtf8(bytes)
  const call = { ...arrival, text, ...readContract(spec, request, text) }
  const seeded = (seed: string) => ({ ...call, seed }) as Parameters<typeof spec.handle>[0]
  const handle = (seed: string) => spec.handle(seeded(seed))
  if (spec.idempotent === undefined || services === undefined) return handle('')
  const { replay } = spec
  const run = spec.idempotent === 'verdict' ? runVerdict : runIdempotent
  return run(services, request, {
    ...{ callerId: callerId(caller), text, log: arrival.log, run: handle },
    bestEffort: spec.idempotent === 'if_possible',
    replay: replay && ((stored) => replay(seeded(''), stored)),
  })
}

/** The caller's id in the log, in its limit and in its Idempotency-Keys. */
export function callerId(caller: Caller | Holder | undefined): string {
  if (caller === undefined) return 'anonymous'
  return 'key' in caller ? caller.key.keyId : caller.id
}

/** In whose turn a call waits for the store: the provider's, or the caller's where it reaches every provider. */
export function turnOf(caller: Caller | Holder | undefined): string {
  return caller?.scope.kind === 'one' ? `provider:${caller.scope.providerId}` : `caller:${callerId(caller)}`
}

function readContract<A extends Access, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  spec: EndpointSpec<A, P, Q, B>,
  request: Arrival<A>['request'],
  text: string,
) {
  const params = check(spec.params ?? emptyObject, spec.params === undefined ? {} : request.params, '')
  const query = check(spec.query ?? emptyObject, Object.fromEntries(request.query), '')
  const body = spec.rawBody === true ? unread : check(spec.body ?? emptyObject, parseJson(request, text), '#')
  if ('data' in params && 'data' in query && 'data' in body) {
    return { params: params.data, query: query.data, body: body.data }
  }
  throw invalidRequest([...params.errors, ...query.errors, ...body.errors])
}

const unread = { data: undefined, errors: [] } as const
