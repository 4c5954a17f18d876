import { CircuitState, circuitBreaker, handleWhenResult, SamplingBreaker } from 'cockatiel'
import type { BreakerState } from '../../ports/meter.ts'
import type { Classified } from './classify-outcome.ts'
import { CallRejected } from './guard-errors.ts'

/** A circuit breaker on the failure rate. */
export interface CircuitBreaker {
  state(): BreakerState
  /** Throws `CallRejected` while the breaker is open, or half open with every probe sent. */
  admit(): void
  /** Runs `work` and records its outcome class. Throws `CallRejected` instead where `admit` would. */
  run<T extends Classified>(work: () => Promise<T>): Promise<T>
}

/** Just below a half: cockatiel opens above its threshold, and half of the requests is to be enough. */
const FAILURE_RATE = 0.4999
const SAMPLE_MS = 5000
/** 20 requests in 5 s: fewer are no sample of the failure rate. */
const REQUESTS_PER_SECOND_MIN = 4
const PROBES = 3

const stateNames: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
}

/**
 * Opens for `openMs` when half of 20 or more requests in 5 s failed. Then lets 3 probes through: closes when all of them
 * succeed, opens again at the first failure. cockatiel makes other callers wait for the probes; this breaker rejects them
 * at once, since it exists to keep callers from waiting for a sick dependency.
 */
export function openCircuitBreaker(openMs: number): CircuitBreaker {
  let probes = 0
  let openUntilMs = 0
  const breaker = circuitBreaker(
    handleWhenResult((classified) => (classified as Classified).outcome === 'transient'),
    {
      halfOpenAfter: openMs,
      halfOpenSampling: { calls: PROBES, threshold: 0 },
      breaker: new SamplingBreaker({
        threshold: FAILURE_RATE,
        duration: SAMPLE_MS,
        minimumRps: REQUESTS_PER_SECOND_MIN,
      }),
    },
  )
  breaker.onBreak(() => {
    openUntilMs = Date.now() + openMs
  })
  breaker.onHalfOpen(() => {
    probes = 0
  })

  function admit(): void {
    const leftMs = openUntilMs - Date.now()
    if (breaker.state === CircuitState.Open && leftMs > 0) throw refusal(leftMs)
    if (breaker.state === CircuitState.HalfOpen && probes >= PROBES) throw refusal(1000)
  }

  return {
    state: () => stateNames[breaker.state],
    admit,
    run(work) {
      admit()
      // Only inside cockatiel is a probe known as one: the first is the call that finds the breaker open for `openMs`.
      return breaker.execute(() => {
        if (breaker.state === CircuitState.HalfOpen) probes++
        return work()
      })
    },
  }
}

function refusal(leftMs: number): CallRejected {
  return new CallRejected('its circuit breaker is open', Math.ceil(leftMs / 1000), 'outage')
}
