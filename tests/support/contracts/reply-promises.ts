import { AppError, type ErrorCode } from '../../../shared/domain/errors.ts'
import { errorCodes, toProblem } from '../../../shared/http/problem.ts'
import { ProblemView, replyContracts } from './reply-contracts.ts'

/** The reply of an endpoint, and its log lines. */
export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a reply is checked against its contract before a test reads it.
  readonly body: any
  readonly logged: readonly { readonly message: string }[]
}

const SECRET = /permas_[a-z]{4}_[0-9A-Za-z]{44}/
const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/
const SHOWS_SECRETS = ['keys-generate', 'keys-rotate']

/** The statuses of success by endpoint; 200 for all others. */
const successStatuses: Readonly<Record<string, readonly number[]>> = {
  'health-ready': [200, 503],
  'keys-generate': [201],
  // 202 while the store is down.
  'keys-me-revoke': [200, 202],
  'keys-revoke': [200, 202],
  'keys-rotate': [201],
  'providers-put': [200, 201],
  'usage-push': [202],
}
const problemStatuses: ReadonlyMap<ErrorCode, number> = new Map(
  (errorCodes as readonly ErrorCode[]).map((code) => [code, toProblem(new AppError(code, 'Any.'), '').status]),
)

/**
 * Returns the promises that this reply breaks. Every reply promises its contract or a problem, a request id, no
 * caching, no secret except where one is made, and no secret in the log. Empty for a good reply.
 */
export function brokenPromises(endpointName: string, { status, headers, text, body, logged }: Answered): string[] {
  const failed = headers['content-type'] === 'application/problem+json'
  const contract = failed ? ProblemView : replyContracts[endpointName]
  const promises: Readonly<Record<string, boolean>> = {
    'a documented status': failed ? problemStatuses.get(body.code) === status : mayAnswer(endpointName, status),
    'content-type': headers['content-type'] === (failed ? 'application/problem+json' : mediaTypeOf(endpointName)),
    'no caching': headers['cache-control'] === 'no-store',
    'no sniffing': headers['x-content-type-options'] === 'nosniff',
    'a request id': REQUEST_ID.test(headers['x-request-id'] ?? ''),
    'its status and request id in a problem':
      !failed || (body.status === status && body.request_id === headers['x-request-id']),
    'no secret in the reply': (SHOWS_SECRETS.includes(endpointName) && !failed) || !SECRET.test(text),
    'no secret in the log': !SECRET.test(JSON.stringify(logged)),
    'one log line': logged.filter(({ message }) => message === 'request').length === 1,
  }
  const broken = Object.keys(promises).filter((promise) => promises[promise] !== true)
  const issues = contract ? (contract.safeParse(body).error?.issues ?? []) : ['it has none']
  return [...broken, ...issues.map((issue) => `its contract: ${JSON.stringify(issue)}`)]
}

function mediaTypeOf(endpointName: string): string {
  return endpointName === 'metrics' ? 'text/plain; version=0.0.4; charset=utf-8' : 'application/json'
}

function mayAnswer(endpointName: string, status: number): boolean {
  return (successStatuses[endpointName] ?? [200]).includes(status)
}
