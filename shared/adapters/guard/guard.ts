import { type BulkheadPolicy, bulkhead } from 'cockatiel'
import type { Breaker, Meter } from '../../ports/meter.ts'
import { type CircuitBreaker, openCircuitBreaker } from './circuit-breaker.ts'
import { type Classified, classifyError } from './classify-outcome.ts'
import { CallRejected, OutcomeUnknown } from './guard-errors.ts'
import { retryBudget } from './retry-budget.ts'

/** How patient one class of calls may be with a dependency. */
export interface CallPolicy {
  /** How long one try may take, the body of its reply included. */
  readonly tryMs: number
  /** How long a request may take, its retries and its wait for a place included. */
  readonly totalMs: number
  readonly retries: number
  /** Bound of the first wait between tries; each further one is twice as long. The wait is drawn from 0 to that. */
  readonly firstDelayMs: number
  /** How long the circuit breaker stays open before it lets a probe through. */
  readonly openMs: number
  /** Requests under way at once; 20 times as many may wait for a place. */
  readonly concurrency: number
}

/** Stands before one dependency for one class of calls: no request goes by another way. */
export interface Guard extends Breaker {
  /**
   * Asks, and asks again while the outcome is transient and patience, retry budget and circuit breaker allow. Resolves or
   * rejects as the last try did. Throws `CallRejected` where no try was made, or no further one where there was time for it;
   * `OutcomeUnknown` where the last try was given up.
   * `pay` goes before every try, and is told how long it may take; a try is not made where it throws.
   */
  run<T>(
    ask: (signal: AbortSignal) => Promise<T>,
    classify: (reply: T) => Classified,
    pay?: (leftMs: number) => Promise<void>,
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

type Tried<T> = Classified & ({ readonly reply: T } | { readonly error: unknown })

/** Where nobody waits for an answer. */
const DEFAULT_POLICY: CallPolicy = {
  ...{ tryMs: 5000, totalMs: 30_000 },
  ...{ retries: 2, firstDelayMs: 100 },
  ...{ openMs: 5000, concurrency: 50 },
}
const WAITING_PER_PLACE = 20

const silent = { count: () => undefined, observe: () => undefined }

/** A guard with a circuit breaker, a retry budget and a bulkhead of its own. */
export function openGuard(options: GuardOptions): Guard {
  const { name, policy = DEFAULT_POLICY, meter = silent, jitter = Math.random } = options
  const circuit = openCircuitBreaker(policy.openMs)
  const places = bulkhead(policy.concurrency, policy.concurrency * WAITING_PER_PLACE)
  const budget = retryBudget(() => performance.now())

  async function tryOnce<T>(
    ask: (signal: AbortSignal) => Promise<T>,
    classify: (reply: T) => Classified,
    leftMs: number,
  ) {
    const beganAtMs = performance.now()
    const tried = await settle(() => withinTime(ask, Math.min(policy.tryMs, leftMs)), classify)
    meter.observe('auth_api_store_call_duration_seconds', { dependency: name }, (performance.now() - beganAtMs) / 1000)
    return tried
  }

  /** How long to wait before the next try; undefined: there is to be none. */
  function delayBefore(retry: number, { outcome, retryAfterMs }: Classified, leftMs: number): number | undefined {
    if (outcome !== 'transient' || retry >= policy.retries || circuit.state() === 'open') return
    const delayMs = Math.max(retryAfterMs, jitter() * policy.firstDelayMs * 2 ** retry)
    return delayMs < leftMs && budget.take() ? delayMs : undefined
  }

  const count = (outcome: string) => meter.count('auth_api_store_calls_total', { dependency: name, outcome })

  async function counting<T>(admission: () => Promise<T>): Promise<T> {
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
    async run(ask, classify, pay) {
      const deadlineMs = performance.now() + policy.totalMs
      const leftMs = () => deadlineMs - performance.now()
      budget.requested()
      for (let retry = 0; ; retry++) {
        const tried = await counting(async () => {
          circuit.admit()
          await pay?.(leftMs())
          return takePlace({ places, circuit, deadlineMs }, () => tryOnce(ask, classify, leftMs()))
        })
        const delayMs = delayBefore(retry, tried, leftMs())
        count(delayMs === undefined && tried.outcome === 'transient' ? 'exhausted' : tried.outcome)
        if (delayMs === undefined) return conclude(tried)
        meter.count('auth_api_store_retries_total', { dependency: name })
        await pause(delayMs)
      }
    },
  }
}

interface Gate {
  readonly places: BulkheadPolicy
  readonly circuit: CircuitBreaker
  readonly deadlineMs: number
}

/**
 * Runs the try in its turn: first come, first served, so that whoever is before it has given up by its own deadline. The
 * breaker is asked again, as it may have opened meanwhile.
 */
async function takePlace<T extends Classified>(
  { places, circuit, deadlineMs }: Gate,
  work: () => Promise<T>,
): Promise<T> {
  if (places.executionSlots === 0 && places.queueSlots === 0) throw new CallRejected('too many requests wait for it', 1)
  return places.execute(() => {
    if (performance.now() >= deadlineMs) throw new CallRejected('it was too busy for too long', 1)
    return circuit.run(work)
  })
}

/** Gives up when the time is over, whether or not `ask` heeds its signal. */
async function withinTime<T>(ask: (signal: AbortSignal) => Promise<T>, timeoutMs: number): Promise<T> {
  const controller = new AbortController()
  const { promise: timeUp, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const error = new OutcomeUnknown(`no reply within ${Math.round(timeoutMs)} ms`)
    reject(error)
    controller.abort(error)
  }, timeoutMs)
  try {
    return await Promise.race([ask(controller.signal), timeUp])
  } finally {
    clearTimeout(timer)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function settle<T>(work: () => Promise<T>, classify: (reply: T) => Classified): Promise<Tried<T>> {
  try {
    const reply = await work()
    return { ...classify(reply), reply }
  } catch (error) {
    return { ...classifyError(error), error }
  }
}

function conclude<T>(tried: Tried<T>): T {
  if ('error' in tried) throw tried.error
  return tried.reply
}
