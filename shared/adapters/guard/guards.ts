import type { BreakerState, Meter } from '../../ports/meter.ts'
import type { Config } from '../../runtime/config.ts'
import { type CallPolicy, type Guard, openGuard } from './guard.ts'

/** Classes of calls by who waits for them. */
type Class = 'hot' | 'management' | 'background' | 'feed'

export interface Guards {
  readonly tables: Readonly<Record<Class, Guard>>
  readonly queue: Readonly<Record<Exclude<Class, 'management' | 'feed'>, Guard>>
  /** Before whoever gives out tokens. */
  readonly identity: Guard
  readonly all: readonly Guard[]
}

const gaugeOf: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 }

/** One request serves all who wait for a token; a managed identity may take seconds over its first. */
const TOKEN_POLICY: CallPolicy = {
  ...{ tryMs: 5000, totalMs: 10_000 },
  ...{ retries: 1, firstDelayMs: 100 },
  ...{ openMs: 5000, concurrency: 2 },
}

/** A guard for each class of calls to each dependency, so that what is slow for one is not closed for another. */
export function openGuards(config: Config, meter: Meter): Guards {
  const policy = policyOf(config)
  const open = (dependency: string, kind: Class) => {
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
 * `hot`: a validation waits, and has somewhere else to look. `management`: a person or a program waits, and has not.
 * `background`: nobody waits. `feed`: one query in the place of many look-ups, so it is given more time than each of them.
 */
function policyOf(config: Config): Readonly<Record<Class, CallPolicy>> {
  const concurrency = config.storeConcurrency
  return {
    hot: { tryMs: 400, totalMs: 800, retries: 1, firstDelayMs: 50, openMs: 5000, concurrency },
    management: { tryMs: 1500, totalMs: 3000, retries: 2, firstDelayMs: 100, openMs: 5000, concurrency },
    background: {
      ...{ tryMs: 5000, totalMs: 30_000 },
      ...{ retries: config.retries.count, firstDelayMs: config.retries.firstDelayMs },
      ...{ openMs: config.breakerOpenSeconds * 1000, concurrency },
    },
    feed: { tryMs: 1500, totalMs: 3000, retries: 1, firstDelayMs: 50, openMs: 1000, concurrency },
  }
}
