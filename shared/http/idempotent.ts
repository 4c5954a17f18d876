import type { HttpRequest } from '@azure/functions'
import { AppError } from '../domain/errors.ts'
import { startIdempotent } from '../operations/start-idempotent.ts'
import type { Services } from '../services.ts'
import type { Answer } from './endpoint-spec.ts'

interface IdempotentRun {
  readonly callerId: string
  readonly text: string
  readonly run: (seed: string) => Promise<Answer>
}

/**
 * Runs a call once per Idempotency-Key and caller. Only an answer of success is kept, as `replayBody` where the answer
 * holds a secret; a refusal frees the key again. Without the header it simply runs.
 */
export async function runIdempotent(
  services: Services,
  request: HttpRequest,
  { callerId, text, run }: IdempotentRun,
): Promise<Answer> {
  const key = readKey(request)
  if (key === undefined) return run(services.random.id())
  const { pathname, search } = new URL(request.url)
  const call = { callerId, key, request: `${request.method} ${pathname}${search}\n${text}` }
  const start = await startIdempotent(services, call)
  if (start.kind === 'replayed') {
    const { status, headers, body } = start.answer
    return { status, headers: { ...headers, 'idempotency-replayed': 'true' }, body }
  }
  try {
    const answer = await run(start.seed)
    await start.finish({
      status: answer.status ?? 200,
      headers: answer.headers ?? {},
      body: answer.replayBody ?? answer.body,
    })
    return answer
  } catch (error) {
    const leftNothing = error instanceof AppError && !error.code.endsWith('_unavailable') && error.code !== 'internal'
    await (leftNothing ? start.release() : start.abandon())
    throw error
  }
}

function readKey(request: HttpRequest): string | undefined {
  const key = request.headers.get('idempotency-key')
  if (key === null) return undefined
  if (/^[\x20-\x7e]{1,255}$/.test(key)) return key
  throw new AppError('invalid_request', 'The request does not match the contract.', {
    errors: [{ pointer: 'Idempotency-Key', detail: 'must be 1 to 255 printable ASCII characters' }],
  })
}
