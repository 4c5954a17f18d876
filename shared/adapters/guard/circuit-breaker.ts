import { CircuitState, circuitBreaker, handleWhenResult, SamplingBreaker } from 'cockatiel'
import type { BreakerState } from '../../ports/meter.ts'
import type { Classified } from './classify-outcome.ts'
import { CallRejected } from './guard-errors.ts'

/** A circuit breaker on the rate of failures. */
export interface CircuitBreaker {
  state(): BreakerState
  /** Throws `CallRejected` while no request may pass. */
  admit(): void
  /** Does the work and takes note of how it was judged; throws `CallRejected` instead where no request may pass. */
  run<T extends Classified>(work: () => Promise<T>): Promise<T>
}

/** Just below a half, as cockatiel opens above its threshold and a half is to be enough. */
const FAILING_SHARE = 0.4999
const SAMPLE_MS = 5000
/** 20 requests in 5 s: fewer say nothing of a rate. */
const REQUESTS_PER_SECOND_MIN = 4
const PROBES = 3

const stateNames: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
}

/**
 * Opens when half of 20 or more requests in 5 s failed, for `openMs`; then lets 3 through, closes when all of them do
 * well, and opens again with the first that does not. cockatiel lets others wait for the three; here they are refused at
 * once, since a caller who waits for a sick dependency is what the breaker is there to prevent.
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
        threshold: FAILING_SHARE,
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
      // Only inside is it known whether this is a probe: the first is the call that finds the breaker open for long enough.
      return breaker.execute(() => {
        if (breaker.state === CircuitState.HalfOpen) probes++
        return work()
      })
    },
  }
}

function refusal(leftMs: number): CallRejected {
  return new CallRejected('its circuit breaker is open', Math.ceil(leftMs / 1000))
}
