import type { BreakerState, Meter } from '../../ports/meter.ts'
import type { Config } from '../../runtime/config.ts'
import { type CallPolicy, type Guard, openGuard } from './guard.ts'
import { type Lane, lanePolicies, type QueueLane } from './lanes.ts'

export interface Guards {
  readonly tables: Readonly<Record<Lane, Guard>>
  readonly queue: Readonly<Record<QueueLane, Guard>>
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

/** A guard per dependency and lane: no lane can take the places, the breaker or the retries of another. */
export function openGuards(config: Config, meter: Meter): Guards {
  const policies = lanePolicies(config)
  const open = (dependency: string, lane: Lane | QueueLane) => {
    return openGuard({ name: `${dependency}_${lane}`, policy: policies[lane], meter })
  }
  const tables = {
    revocation: open('tables', 'revocation'),
    limits: open('tables', 'limits'),
    lookup: open('tables', 'lookup'),
    management: open('tables', 'management'),
    background: open('tables', 'background'),
  }
  const queue = {
    revocation: open('queue', 'revocation'),
    usage: open('queue', 'usage'),
    background: open('queue', 'background'),
  }
  const identity = openGuard({ name: 'identity', policy: TOKEN_POLICY, meter })
  const all = [...Object.values(tables), ...Object.values(queue), identity]
  meter.watch('auth_api_breaker_state', () =>
    all.map((guard) => ({ labels: { dependency: guard.name }, value: gaugeOf[guard.state()] })),
  )
  return { tables, queue, identity, all }
}
