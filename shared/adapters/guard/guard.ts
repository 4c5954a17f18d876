import type { Breaker, Meter } from '../../ports/meter.ts'
import { currentTurn } from '../../runtime/turns.ts'
import { type CircuitBreaker, openCircuitBreaker } from './circuit-breaker.ts'
import { type Classified, classifyError } from './classify-outcome.ts'
import { type FairBulkhead, fairBulkhead } from './fair-bulkhead.ts'
import { CallRejected } from './guard-errors.ts'
import { retryBudget } from './retry-budget.ts'
import { type Deadline, deadlineIn, withTimeout } from './timeout.ts'

/** The timeouts, retries and concurrency of one lane of calls to a dependency. */
export interface CallPolicy {
  /** Timeout of one attempt, the body of its reply included. */
  readonly attemptMs: number
  /** Deadline of a request, its retries and its wait in the bulkhead included. */
  readonly deadlineMs: number
  readonly retries: number
  /** Bound of the first backoff; doubles with each retry. The delay is drawn from 0 to that bound (full jitter). */
  readonly backoffMs: number
  /** How long the circuit breaker stays open before it lets a probe through. */
  readonly openMs: number
  /** Requests in flight at once; 20 times as many may wait in the bulkhead, in a line per turn. */
  readonly concurrency: number
}

/** Guards one dependency for one lane of calls: every request goes through it. */
export interface Guard extends Breaker {
  /**
   * Sends a request, and retries while its outcome is transient and deadline, retry budget and circuit breaker allow.
   * Resolves or rejects as the last attempt did. Throws `CallRejected` where the first attempt, or a retry that was due,
   * was rejected; `OutcomeUnknown` where the last attempt timed out.
   */
  run<T>(
    send: (signal: AbortSignal) => Promise<T>,
    classify: (reply: T) => Classified,
    admission?: Admission,
  ): Promise<T>
}

export interface Admission {
  /**
   * Runs before every attempt, with the time left, once the attempt has its place in the bulkhead. An attempt whose
   * `charge` throws is not made.
   */
  readonly charge?: ((leftMs: number) => Promise<void>) | undefined
  /** The turn in the bulkhead; by default that of the caller. */
  readonly turn?: string | undefined
}

interface GuardOptions {
  /** The dependency and the lane, for metrics and readiness. */
  readonly name: string
  readonly policy?: CallPolicy
  readonly meter?: Pick<Meter, 'count' | 'observe'>
  /** 0 inclusive to 1 exclusive. */
  readonly jitter?: () => number
}

type Attempted<T> = Classified & ({ readonly reply: T } | { readonly error: unknown })

/** For calls that no caller waits for. */
const DEFAULT_POLICY: CallPolicy = {
  ...{ attemptMs: 5000, deadlineMs: 30_000 },
  ...{ retries: 2, backoffMs: 100 },
  ...{ openMs: 5000, concurrency: 50 },
}
const QUEUED_PER_SLOT = 20

const noMeter = { count: () => undefined, observe: () => undefined }

/** A guard with a circuit breaker, a retry budget and a bulkhead of its own. */
export function openGuard(options: GuardOptions): Guard {
  const { name, policy = DEFAULT_POLICY, meter = noMeter, jitter = Math.random } = options
  const circuit = openCircuitBreaker(policy.openMs)
  const bulkhead = fairBulkhead(policy.concurrency, policy.concurrency * QUEUED_PER_SLOT)
  const budget = retryBudget(() => performance.now())

  async function attempt<T>(
    send: (signal: AbortSignal) => Promise<T>,
    classify: (reply: T) => Classified,
    deadline: Deadline,
  ) {
    const beganAtMs = performance.now()
    const timeoutMs = Math.min(policy.attemptMs, deadline.leftMs())
    const attempted = await classified(() => withTimeout(send, timeoutMs, deadline), classify)
    meter.observe('auth_api_store_call_duration_seconds', { dependency: name }, (performance.now() - beganAtMs) / 1000)
    return attempted
  }

  /** The backoff before the next retry; undefined where there is none. Withdraws the retry from the budget. */
  function backoffBefore(retry: number, { outcome, retryAfterMs }: Classified, leftMs: number): number | undefined {
    if (outcome !== 'transient' || retry >= policy.retries || circuit.state() === 'open') return
    const delayMs = Math.max(retryAfterMs, jitter() * policy.backoffMs * 2 ** retry)
    return delayMs < leftMs && budget.tryWithdraw() ? delayMs : undefined
  }

  const count = (outcome: string) => meter.count('auth_api_store_calls_total', { dependency: name, outcome })

  async function countingRejections<T>(admission: () => Promise<T>): Promise<T> {
    try {
      return await admission()
    } catch (refusal) {
      count('rejected')
      throw refusal
    }
  }

  return {
    name,
    state: circuit.state,
    async run(send, classify, { charge, turn = currentTurn() } = {}) {
      const deadline = deadlineIn(policy.deadlineMs)
      budget.deposit()
      for (let retry = 0; ; retry++) {
        const attempted = await countingRejections(() =>
          runInBulkhead({ bulkhead, circuit, deadline, charge, turn }, () => attempt(send, classify, deadline)),
        )
        const delayMs = backoffBefore(retry, attempted, deadline.leftMs())
        const isRetried = delayMs !== undefined && (await backOff(delayMs, deadline))
        count(countedAs(attempted, isRetried))
        if (!isRetried) return unwrap(attempted)
        meter.count('auth_api_store_retries_total', { dependency: name })
      }
    },
  }
}

interface Place extends Admission {
  readonly bulkhead: FairBulkhead
  readonly circuit: CircuitBreaker
  readonly deadline: Deadline
  readonly turn: string
}

/**
 * Runs an attempt in the bulkhead. Checks deadline and breaker again when its turn comes, as the breaker may have opened
 * meanwhile, and before it is paid for.
 */
async function runInBulkhead<T extends Classified>(
  { bulkhead, circuit, deadline, charge, turn }: Place,
  work: () => Promise<T>,
): Promise<T> {
  circuit.admit()
  const admit = () => {
    if (deadline.leftMs() <= 0) throw new CallRejected('it was too busy for too long', 1)
    circuit.admit()
  }
  const pay = async () => {
    admit()
    await charge?.(deadline.leftMs())
  }
  return bulkhead.run({
    ...{ turn, pay: charge && pay },
    work: async () => {
      admit()
      return circuit.run(work)
    },
  })
}

/**
 * Waits. Returns whether there is time left for a retry: where the wait used it up, the outcome is that of the last
 * attempt, not a refusal of our own.
 */
async function backOff(ms: number, deadline: Deadline): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return deadline.leftMs() > 0
}

/** The label of an attempt's outcome in the metrics. */
function countedAs({ outcome }: Classified, isRetried: boolean): string {
  return outcome === 'transient' && !isRetried ? 'exhausted' : outcome
}

async function classified<T>(work: () => Promise<T>, classify: (reply: T) => Classified): Promise<Attempted<T>> {
  try {
    const reply = await work()
    return { ...classify(reply), reply }
  } catch (error) {
    return { ...classifyError(error), error }
  }
}

function unwrap<T>(attempted: Attempted<T>): T {
  if ('error' in attempted) throw attempted.error
  return attempted.reply
}
