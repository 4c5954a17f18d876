import * as z from 'zod'
import type { Services } from '../app/services.ts'
import { AppError } from '../domain/errors.ts'
import { tooManyFailures } from '../operations/limits/failure-limits.ts'
import {
  authenticateCaller,
  authenticateHolder,
  type Caller,
  type Holder,
  needsLookUp,
  type Presented,
} from './authenticate.ts'
import { authorize } from './authorize.ts'
import type { Access, Answer, Call, EndpointSpec } from './endpoint-spec.ts'
import { runIdempotent } from './idempotency.ts'
import { check, decodeUtf8, invalidRequest, parseJson, readBytes } from './read-request.ts'

/** A call before its contract was looked at. */
export type Arrival<A extends Access> = Omit<
  Call<A, never, never, never>,
  'params' | 'query' | 'body' | 'text' | 'seed'
>

export type Nothing = z.ZodObject<Record<never, never>, z.core.$strict>
const nothing: Nothing = z.strictObject({})
const DEFAULT_MAX_BODY_BYTES = 64 * 1024

/**
 * Throws `unauthenticated` or `forbidden`; undefined for a public call. Where too many wrong credentials came from the
 * address, throws `too_many_failures` for one more, without a look-up; those that are known here go on.
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
  if (spent && needsLookUp(services, presented)) throw tooManyFailures(budgets())
  try {
    return await identify(access, services, presented)
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'unauthenticated') throw error
    if (spent) throw tooManyFailures(budgets())
    failures.count(budgets())
    throw error
  }
}

async function identify(
  access: Exclude<Access, 'public'>,
  services: Services,
  presented: Presented,
): Promise<Caller | Holder> {
  if (access === 'holder' || access === 'possessor') {
    return authenticateHolder(services, presented, { mayBeDead: access === 'possessor' })
  }
  const caller = await authenticateCaller(services, presented)
  const operator = typeof access === 'object'
  authorize(caller, operator ? access.operator : access, operator)
  return caller
}

/** Holds the request against its contract, all faults at once, and handles it; once per Idempotency-Key where declared. */
export async function handleCall<A extends Access, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  spec: EndpointSpec<A, P, Q, B>,
  arrival: Arrival<A>,
): Promise<Answer> {
  const { request, services, caller } = arrival
  const text =
    request.body === null ? '' : decodeUtf8(await readBytes(request, spec.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES))
  const call = { ...arrival, text, ...readContract(spec, request, text) }
  const handle = (seed: string) => spec.handle({ ...call, seed } as Parameters<typeof spec.handle>[0])
  if (spec.idempotent === undefined || services === undefined) return handle('')
  const mayGoWithout = spec.idempotent === 'if_possible'
  const id = callerId(caller)
  return runIdempotent(services, request, { callerId: id, text, mayGoWithout, log: arrival.log, run: handle })
}

/** Who called, for the log and for what is kept per caller. */
export function callerId(caller: Caller | Holder | undefined): string {
  if (caller === undefined) return 'anonymous'
  return 'key' in caller ? caller.key.keyId : caller.id
}

function readContract<A extends Access, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  spec: EndpointSpec<A, P, Q, B>,
  request: Arrival<A>['request'],
  text: string,
) {
  const params = check(spec.params ?? nothing, spec.params === undefined ? {} : request.params, '')
  const query = check(spec.query ?? nothing, Object.fromEntries(request.query), '')
  const body = spec.rawBody === true ? unread : check(spec.body ?? nothing, parseJson(request, text), '#')
  if ('data' in params && 'data' in query && 'data' in body) {
    return { params: params.data, query: query.data, body: body.data }
  }
  throw invalidRequest([...params.errors, ...query.errors, ...body.errors])
}

const unread = { data: undefined, errors: [] } as const
