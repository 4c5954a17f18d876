import { type BulkheadPolicy, bulkhead } from 'cockatiel'
import type { Breaker, Meter } from '../../ports/meter.ts'
import { type CircuitBreaker, openCircuitBreaker } from './circuit-breaker.ts'
import { type Classified, classifyError } from './classify-outcome.ts'
import { CallRejected, OutcomeUnknown } from './guard-errors.ts'
import { retryBudget } from './retry-budget.ts'

/** The timeouts, retries and concurrency of one class of calls to a dependency. */
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
  /** Requests in flight at once; 20 times as many may wait in the bulkhead. */
  readonly concurrency: number
}

/** Guards one dependency for one class of calls: every request goes through it. */
export interface Guard extends Breaker {
  /**
   * Sends a request, and retries while its outcome is transient and deadline, retry budget and circuit breaker allow.
   * Resolves or rejects as the last attempt did. Throws `CallRejected` where the first attempt, or a retry that was due,
   * was rejected; `OutcomeUnknown` where the last attempt timed out.
   * `charge` runs before every attempt, with the time left; an attempt whose `charge` throws is not made.
   */
  run<T>(
    send: (signal: AbortSignal) => Promise<T>,
    classify: (reply: T) => Classified,
    charge?: (leftMs: number) => Promise<void>,
  ): Promise<T>
}

interface GuardOptions {
  /** The dependency and the class of calls, for metrics and readiness. */
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
  const slots = bulkhead(policy.concurrency, policy.concurrency * QUEUED_PER_SLOT)
  const budget = retryBudget(() => performance.now())

  async function attempt<T>(
    send: (signal: AbortSignal) => Promise<T>,
    classify: (reply: T) => Classified,
    leftMs: number,
  ) {
    const beganAtMs = performance.now()
    const attempted = await classified(() => withTimeout(send, Math.min(policy.attemptMs, leftMs)), classify)
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
    async run(send, classify, charge) {
      const deadlineAtMs = performance.now() + policy.deadlineMs
      const leftMs = () => deadlineAtMs - performance.now()
      budget.deposit()
      for (let retry = 0; ; retry++) {
        const attempted = await countingRejections(async () => {
          circuit.admit()
          await charge?.(leftMs())
          return runInBulkhead({ slots, circuit, deadlineAtMs }, () => attempt(send, classify, leftMs()))
        })
        const delayMs = backoffBefore(retry, attempted, leftMs())
        count(delayMs === undefined && attempted.outcome === 'transient' ? 'exhausted' : attempted.outcome)
        if (delayMs === undefined) return unwrap(attempted)
        meter.count('auth_api_store_retries_total', { dependency: name })
        await sleep(delayMs)
      }
    },
  }
}

interface Admission {
  readonly slots: BulkheadPolicy
  readonly circuit: CircuitBreaker
  readonly deadlineAtMs: number
}

/**
 * Runs an attempt in the bulkhead, first come, first served: every request ahead in the queue ends by its own deadline.
 * Checks the breaker again, as it may have opened meanwhile.
 */
async function runInBulkhead<T extends Classified>(
  { slots, circuit, deadlineAtMs }: Admission,
  work: () => Promise<T>,
): Promise<T> {
  if (slots.executionSlots === 0 && slots.queueSlots === 0) throw new CallRejected('too many requests wait for it', 1)
  return slots.execute(() => {
    if (performance.now() >= deadlineAtMs) throw new CallRejected('it was too busy for too long', 1)
    return circuit.run(work)
  })
}

/** Throws `OutcomeUnknown` after `timeoutMs`, whether or not `send` heeds its signal. */
async function withTimeout<T>(send: (signal: AbortSignal) => Promise<T>, timeoutMs: number): Promise<T> {
  const controller = new AbortController()
  const { promise: timeUp, reject } = Promise.withResolvers<never>()
  let lastChance: NodeJS.Immediate | undefined
  const giveUp = () => {
    const error = new OutcomeUnknown(`no reply within ${Math.round(timeoutMs)} ms`)
    reject(error)
    controller.abort(error)
  }
  // Timers run before I/O: after a stall of this process the reply may be there, unread. Read it before giving up.
  const timer = setTimeout(() => {
    lastChance = setImmediate(giveUp)
  }, timeoutMs)
  try {
    return await Promise.race([send(controller.signal), timeUp])
  } finally {
    clearTimeout(timer)
    clearImmediate(lastChance)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
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
