import { createHash, createHmac } from 'node:crypto'
import type { HttpRequest } from '@azure/functions'
import type { Services } from '../app/services.ts'
import { AppError, isOutcomeOpen } from '../domain/errors.ts'
import { type IdempotentStart, oneMinute, startIdempotent } from '../operations/start-idempotent.ts'
import type { StoredAnswer } from '../ports/idempotency.ts'
import type { Log } from '../ports/runtime.ts'
import { describeFailure } from '../runtime/log.ts'
import { canonicalJson } from './canonical-json.ts'
import type { Answer } from './endpoint-spec.ts'
import { invalidRequest } from './read-request.ts'

interface IdempotentRun {
  readonly callerId: string
  readonly text: string
  /** Runs the call also where the idempotency store is down, or too busy. */
  readonly bestEffort?: boolean
  readonly log: Log
  readonly run: (seed: string) => Promise<Answer>
  /** Makes the answer of a replay; default: the stored answer. */
  readonly replay?: ((stored: StoredAnswer) => Promise<Answer>) | undefined
}

/** A longer one would not fit into its row. */
const ANSWER_CHARACTERS_MAX = 400_000

/**
 * Runs a call once per Idempotency-Key and caller. Stores only successful answers, as `replayBody` where one has a
 * secret. A refusal releases the Idempotency-Key. Without the header the call just runs.
 */
export async function runIdempotent(services: Services, request: HttpRequest, call: IdempotentRun): Promise<Answer> {
  const key = readKey(request)
  if (key === undefined) return call.run(services.random.id())
  const { callerId, text } = call
  return runUnderKey(services, call, () =>
    startIdempotent(services, { callerId, key, request: identityOf(request, text) }),
  )
}

/**
 * Makes a verdict once per Idempotency-Key and caller within 60 s, on any instance. Best effort: without its record the
 * verdict is made. After a crash the next try makes it again, so a limit may be charged twice, and never too little.
 *
 * The record has a keyed hash of the request, which holds the validated key: a leaked table cannot confirm a guess. It
 * lies in one of 256 partitions per caller, since a caller may validate more often than one partition takes.
 */
export async function runVerdict(services: Services, request: HttpRequest, call: IdempotentRun): Promise<Answer> {
  const key = readKey(request)
  if (key === undefined) return call.run('')
  const [secret] = services.digests.deriveAll('idempotency')
  if (secret === undefined) throw new RangeError('A service has at least one pepper.')
  const hmac = createHmac('sha256', secret).update(identityOf(request, call.text))
  const shard = createHash('sha256').update(key).digest('hex').slice(0, 2)
  const started = { callerId: `${call.callerId}|verdict|${shard}`, key, request: hmac.digest('hex') }
  const needs = { ...services, idempotency: services.hotIdempotency }
  return runUnderKey(services, { ...call, bestEffort: true }, () => startIdempotent(needs, started, oneMinute))
}

/** The same for the same request, in whatever order its fields and parameters are. */
function identityOf(request: HttpRequest, text: string): string {
  const { pathname, searchParams } = new URL(request.url)
  searchParams.sort()
  return `${request.method} ${pathname}?${searchParams}\n${canonicalJson(text)}`
}

async function runUnderKey(
  { random }: Pick<Services, 'random'>,
  { bestEffort = false, log, run, replay = replayStored }: IdempotentRun,
  begin: () => Promise<IdempotentStart>,
): Promise<Answer> {
  const start = await begin().catch((error: unknown) => {
    if (bestEffort && isOutcomeOpen(error)) return undefined
    throw error
  })
  if (start === undefined) return run(random.id())
  if (start.kind === 'replayed') {
    const answer = await replay(start.answer)
    return { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } }
  }
  const answer = await runOrRelease(start, run)
  // The call is done and its answer may hold a secret that cannot be shown again: return it even when storing it fails.
  await keep(start, answer, bestEffort).catch((error) => {
    log('error', 'the answer could not be kept for a replay', { cause: describeFailure(error) })
  })
  return answer
}

async function replayStored({ status, headers, body }: StoredAnswer): Promise<Answer> {
  return { status, headers, body }
}

type OwnedStart = Extract<IdempotentStart, { readonly kind: 'mine' }>

/** Stores the answer for replays. A 202 is not final, and too long an answer does not fit: the next try runs the call. */
function keep(start: OwnedStart, answer: Answer, bestEffort: boolean): Promise<void> {
  const { status = 200, headers = {}, body, replayBody = body } = answer
  const isKept = !bestEffort || (status !== 202 && JSON.stringify(replayBody).length <= ANSWER_CHARACTERS_MAX)
  return isKept ? start.finish({ status, headers, body: replayBody }) : start.abandon()
}

async function runOrRelease(start: OwnedStart, run: IdempotentRun['run']): Promise<Answer> {
  try {
    return await run(start.seed)
  } catch (error) {
    const hadNoEffect = error instanceof AppError && !mayHaveHadEffect(error)
    await (hadNoEffect ? start.release() : start.abandon())
    throw error
  }
}

function mayHaveHadEffect(error: AppError): boolean {
  return isOutcomeOpen(error) || error.code.endsWith('_unavailable') || partlyDone.has(error.code)
}

const partlyDone: ReadonlySet<string> = new Set(['internal', 'revocation_not_durable'])

function readKey(request: HttpRequest): string | undefined {
  const key = request.headers.get('idempotency-key')
  if (key === null) return undefined
  if (/^[\x20-\x7e]{1,255}$/.test(key)) return key
  throw invalidRequest([{ pointer: 'Idempotency-Key', detail: 'must be 1 to 255 printable ASCII characters' }])
}
