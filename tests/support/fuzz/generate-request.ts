import fc from 'fast-check'
import * as z from 'zod'
import { PushBody, PushedEventBody } from '../../../shared/contracts/usage.ts'
import type { Endpoint } from '../requests/call.ts'
import { inputOf } from './input-of.ts'
import { mutateText, mutateValue, oddText } from './mutate.ts'
import { placeholders } from './placeholders.ts'

/** A request on the wire, with placeholders. */
export interface GeneratedRequest {
  readonly method: string
  /** Path and query, escaped. */
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** undefined for no body. A lone surrogate from U+DC80 to U+DCFF is a byte from 0x80 to 0xFF: invalid UTF-8. */
  readonly body: string | undefined
}

/** The JSON bodies of endpoints that parse their bodies themselves. */
const rawBodies: Readonly<Record<string, z.ZodType>> = {
  'usage-push': z.strictObject({
    batch_id: PushBody.out.shape.batch_id,
    events: z.array(PushedEventBody).min(1).max(20),
  }),
}

/** `arbitrary` in that percentage of cases, else the usual one. */
function rarely<T>(percent: number, arbitrary: fc.Arbitrary<T>, usual: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 100 - percent, arbitrary: usual }, { weight: percent, arbitrary })
}

/** One to `maxLength` items in that percentage of cases, else none. */
function few<T>(percent: number, arbitrary: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> {
  return rarely(percent, fc.array(arbitrary, { minLength: 1, maxLength }), fc.constant([]))
}

/** A request to this endpoint: about half match its contract, the others are mutated. */
export function generateRequest(endpoint: Endpoint): fc.Arbitrary<GeneratedRequest> {
  return fc.record({
    method: rarely(2, fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE'), fc.constant(endpoint.method)),
    target: fc.tuple(generatePath(endpoint), generateQuery(endpoint)).map(([path, query]) => path + query),
    headers: generateHeaders(endpoint),
    body: generateBody(endpoint),
  })
}

function generateHeaders(endpoint: Endpoint): fc.Arbitrary<GeneratedRequest['headers']> {
  const headers = fc.tuple(
    generateCredential(endpoint),
    rarely(5, contentTypes, fc.constant('application/json')).map((type) => ['content-type', type] as const),
    few(25, oddHeader, 3),
  )
  return headers.map(([credential, type, others]) => [...credential, type, ...others])
}

const contentTypes = fc.oneof(
  fc.constantFrom('', 'text/plain', 'application/x-ndjson', 'application/problem+json', 'application/json; charset=x'),
  fc.constantFrom('multipart/form-data', 'application/jsonl;', 'APPLICATION/JSON', '+json', ';'),
)

function generateCredential({ access }: Endpoint): fc.Arbitrary<GeneratedRequest['headers']> {
  const ofHolder = access === 'holder' || access === 'possessor'
  const usual = ofHolder
    ? fc.constantFrom(placeholders.secret, placeholders.secret, placeholders.revokedSecret)
    : fc.constantFrom(placeholders.admin, placeholders.admin, placeholders.managerSecret, placeholders.strangerSecret)
  const asKey = usual.map((key) => [['x-api-key', key] as const])
  const asToken = usual.map((key) => [['authorization', `Bearer ${key}`] as const])
  return fc.oneof(
    { weight: 16, arbitrary: asKey },
    { weight: 4, arbitrary: asToken },
    { weight: 1, arbitrary: oddCredential },
  )
}

const oddCredential: fc.Arbitrary<GeneratedRequest['headers']> = fc.constantFrom(
  [],
  [['x-api-key', '']],
  [['x-api-key', `${placeholders.admin}x`]],
  [['authorization', `Basic ${placeholders.admin}`]],
  [['authorization', 'Bearer eyJhbGciOiJub25lIn0.e30.']],
  [
    ['x-api-key', placeholders.admin],
    ['x-api-key', placeholders.secret],
  ],
  [
    ['x-api-key', placeholders.admin],
    ['authorization', `Bearer ${placeholders.managerSecret}`],
  ],
)

/** Header values that the HTTP parser accepts. */
const headerText = oddText.map((text) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '').trim())
const oddHeader = fc.oneof(
  fc.tuple(
    fc.constantFrom('x-request-id', 'idempotency-key', 'cache-control', 'x-forwarded-for', 'x-tail', 'accept', 'host'),
    headerText,
  ),
  fc.constantFrom<readonly [string, string]>(
    ['cache-control', 'no-cache'],
    ['idempotency-key', 'the-same-one'],
    ['idempotency-key', placeholders.secret],
    ['x-request-id', placeholders.secret],
    ['x-request-id', 'request-of-mine'],
    ['x-forwarded-for', '1.2.3.4, 999.1.1.1, [::1]:80,,'],
    ['x-forwarded-for', '1.2.3.4,'.repeat(500)],
    ['content-length', '99999999999'],
    ['content-length', '-1'],
    ['content-encoding', 'gzip'],
    ['x-ms-client-principal', 'bm90IGpzb24='],
    ['traceparent', '00-zz'],
  ),
)

const oddPathPart = fc.oneof(
  fc.constantFrom('%', '%zz', '%00', '..%2f..', '%c0%80', '.', '..', '%2e%2e', ';a=b', '%F0%9F%92%A5', '*', '~', '@'),
  oddText.map((text) => encodeURIComponent(text.toWellFormed())),
)

function generatePath({ route, params }: Endpoint): fc.Arbitrary<string> {
  if (!(params instanceof z.ZodType)) return fc.constant(`/${route}`)
  const usual = inputOf(params).map((generated) => fill(route, (name) => encode(Object(generated)[name])))
  return rarely(
    15,
    oddPathPart.map((part) => fill(route, () => part)),
    usual,
  )
}

function fill(route: string, partOf: (name: string) => string): string {
  return `/${route.replaceAll(/\{(\w+)[^}]*\}/g, (_, name: string) => partOf(name))}`
}

/** Escapes everything but the `@` of placeholders, which are replaced later. */
function encode(value: unknown): string {
  return encodeURIComponent(String(value).toWellFormed()).replaceAll('%40', '@')
}

const oddQuery = fc.oneof(
  fc.constantFrom('&&', '=', '%', '%ff', 'limit=1&limit=2', 'Limit=5&limit=7', '__proto__=1', 'a[]=1', '+', '%00=%00'),
  fc.constantFrom(`key=${placeholders.secret}`, `note=${placeholders.secret}`, `${placeholders.secret}`, 'token='),
  fc.constantFrom('limit=1e3', 'limit=0x10', 'limit=', 'cursor=AAAA', 'cursor=e30', 'from=2026-02-30', 'to=0001-01-01'),
  fc.tuple(oddText, oddText).map(([name, value]) => `${encode(name)}=${encode(value)}`),
)

function generateQuery({ query }: Endpoint): fc.Arbitrary<string> {
  const declared = query instanceof z.ZodType ? inputOf(query) : fc.constant({})
  const usual = declared.map((generated) =>
    Object.entries(Object(generated))
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${encode(value)}`),
  )
  const others = few(12, oddQuery, 2)
  return fc.tuple(usual, others).map(([parts, more]) => {
    const all = [...parts, ...more]
    return all.length === 0 ? '' : `?${all.join('&')}`
  })
}

function generateBody({ name, method, body, rawBody }: Endpoint): fc.Arbitrary<string | undefined> {
  const contract = rawBody === true ? rawBodies[name] : body
  if (method === 'GET') return fc.constant(undefined)
  if (!(contract instanceof z.ZodType)) throw new Error(`The body of ${name} is unknown.`)
  const value = fc
    .tuple(inputOf(contract), few(45, mutateValue, 3))
    .map(([generated, mutations]) => mutations.reduce((mutated, mutate) => mutate(mutated), generated))
  const text = fc
    .tuple(value, few(10, mutateText, 2))
    .map(([generated, mutations]) =>
      mutations.reduce((mutated, mutate) => mutate(mutated), JSON.stringify(generated) ?? ''),
    )
  return rarely(4, fc.constantFrom(undefined, '', ' ', 'null', '[]', '"'), text)
}
