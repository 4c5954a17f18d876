import type { HttpRequest } from '@azure/functions'
import type { Services } from '../app/services.ts'
import { AppError, isOutcomeOpen } from '../domain/errors.ts'
import { type IdempotentStart, startIdempotent } from '../operations/start-idempotent.ts'
import type { Log } from '../ports/runtime.ts'
import { describeFailure } from '../runtime/log.ts'
import type { Answer } from './endpoint-spec.ts'
import { invalidRequest } from './read-request.ts'

interface IdempotentRun {
  readonly callerId: string
  readonly text: string
  /** Runs the call also where the idempotency store is down, or too busy. */
  readonly bestEffort?: boolean
  readonly log: Log
  readonly run: (seed: string) => Promise<Answer>
}

/**
 * Runs a call once per Idempotency-Key and caller. Stores only successful answers, as `replayBody` where one has a
 * secret. A refusal releases the Idempotency-Key. Without the header the call just runs.
 */
export async function runIdempotent(
  services: Services,
  request: HttpRequest,
  { callerId, text, bestEffort = false, log, run }: IdempotentRun,
): Promise<Answer> {
  const key = readKey(request)
  if (key === undefined) return run(services.random.id())
  const { pathname, search } = new URL(request.url)
  const call = { callerId, key, request: `${request.method} ${pathname}${search}\n${text}` }
  const start = await startIdempotent(services, call).catch((error: unknown) => {
    if (bestEffort && isOutcomeOpen(error)) return undefined
    throw error
  })
  if (start === undefined) return run(services.random.id())
  if (start.kind === 'replayed') {
    const { status, headers, body } = start.answer
    return { status, headers: { ...headers, 'idempotency-replayed': 'true' }, body }
  }
  const answer = await runOrRelease(start, run)
  const { status = 200, headers = {}, body, replayBody = body } = answer
  // 202 is not final: the next try runs the call again.
  const recorded = bestEffort && status === 202 ? start.abandon() : start.finish({ status, headers, body: replayBody })
  // The call is done and its answer may hold a secret that cannot be shown again: return it even when storing it fails.
  await recorded.catch((error) => {
    log('error', 'the answer could not be kept for a replay', { cause: describeFailure(error) })
  })
  return answer
}

async function runOrRelease(
  start: Extract<IdempotentStart, { readonly kind: 'mine' }>,
  run: IdempotentRun['run'],
): Promise<Answer> {
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
