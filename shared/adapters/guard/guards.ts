import type { BreakerState, Meter } from '../../ports/meter.ts'
import type { Config } from '../../runtime/config.ts'
import { type CallPolicy, type Guard, openGuard } from './guard.ts'

/** Classes of calls by who waits for the reply. */
type CallClass = 'hot' | 'management' | 'background' | 'feed'

export interface Guards {
  readonly tables: Readonly<Record<CallClass, Guard>>
  readonly queue: Readonly<Record<Exclude<CallClass, 'management' | 'feed'>, Guard>>
  /** For the service that issues tokens. */
  readonly identity: Guard
  readonly all: readonly Guard[]
}

const gaugeOf: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 }

/** One request serves every caller that waits for a token; a managed identity may take seconds over its first. */
const TOKEN_POLICY: CallPolicy = {
  ...{ attemptMs: 5000, deadlineMs: 10_000 },
  ...{ retries: 1, backoffMs: 100 },
  ...{ openMs: 5000, concurrency: 2 },
}

/** A guard per dependency and class of calls: a dependency too slow for one class stays available to the others. */
export function openGuards(config: Config, meter: Meter): Guards {
  const policy = policyOf(config)
  const open = (dependency: string, kind: CallClass) => {
    return openGuard({ name: `${dependency}_${kind}`, policy: policy[kind], meter })
  }
  const tables = {
    hot: open('tables', 'hot'),
    management: open('tables', 'management'),
    background: open('tables', 'background'),
    feed: open('tables', 'feed'),
  }
  const queue = { hot: open('queue', 'hot'), background: open('queue', 'background') }
  const identity = openGuard({ name: 'identity', policy: TOKEN_POLICY, meter })
  const all = [...Object.values(tables), ...Object.values(queue), identity]
  meter.watch('auth_api_breaker_state', () =>
    all.map((guard) => ({ labels: { dependency: guard.name }, value: gaugeOf[guard.state()] })),
  )
  return { tables, queue, identity, all }
}

/**
 * `hot`: a validation waits, and has a fallback. `management`: a person or a program waits, and has none. `background`:
 * no caller waits. `feed`: one query replaces many lookups, so it gets more time than each of them.
 */
function policyOf(config: Config): Readonly<Record<CallClass, CallPolicy>> {
  const concurrency = config.storeConcurrency
  return {
    hot: { attemptMs: 400, deadlineMs: 800, retries: 1, backoffMs: 50, openMs: 5000, concurrency },
    management: { attemptMs: 1500, deadlineMs: 3000, retries: 2, backoffMs: 100, openMs: 5000, concurrency },
    background: {
      ...{ attemptMs: 5000, deadlineMs: 30_000 },
      ...{ retries: config.retries.count, backoffMs: config.retries.backoffMs },
      ...{ openMs: config.breakerOpenSeconds * 1000, concurrency },
    },
    feed: { attemptMs: 1500, deadlineMs: 3000, retries: 1, backoffMs: 50, openMs: 1000, concurrency },
  }
}
