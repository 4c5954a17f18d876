import { ConfigError } from '../config.ts'
import { AppError } from '../domain/errors.ts'
import { describeFailure } from '../log.ts'
import { checkReadiness } from '../operations/check-readiness.ts'
import type { Log } from '../ports.ts'
import type { Services } from '../services.ts'
import type { Answer } from './endpoint-spec.ts'

/** Names what is not ready: a wrong setting (never its value), or a dependency that does not answer (the why is in the log). */
export async function toReadinessAnswer(provide: () => Services, log: Log): Promise<Answer> {
  const composed = composeOrExplain(provide)
  if (Array.isArray(composed)) {
    return { status: 503, body: { status: 'misconfigured', settings: composed, dependencies: {} } }
  }
  const states = await checkReadiness(composed)
  for (const { name, failure } of states) {
    if (failure !== null)
      log('error', 'dependency does not answer', { dependency: name, cause: describeFailure(failure) })
  }
  const ready = states.every(({ failure }) => failure === null)
  return {
    status: ready ? 200 : 503,
    body: {
      status: ready ? 'ready' : 'unavailable',
      settings: [],
      dependencies: Object.fromEntries(
        states.map(({ name, failure }) => [name, failure === null ? 'ok' : 'unavailable']),
      ),
    },
  }
}

function composeOrExplain(provide: () => Services): Services | string[] {
  try {
    return provide()
  } catch (error) {
    if (error instanceof AppError && error.cause instanceof ConfigError) return error.cause.message.split('\n')
    throw error
  }
}
