/**
 * A request that was not sent or not retried, or whose reply this process was too busy to read. `message` says why,
 * without naming the dependency. `overload`: a bound of ours refused it, which says nothing about the dependency.
 * `outage`: the circuit breaker is open.
 */
export class CallRejected extends Error {
  override readonly name = 'CallRejected'
  readonly retryAfterSeconds: number
  readonly reason: 'overload' | 'outage'

  constructor(message: string, retryAfterSeconds: number, reason: 'overload' | 'outage' = 'overload') {
    super(message)
    this.retryAfterSeconds = retryAfterSeconds
    this.reason = reason
  }
}

/** A request that was abandoned: whether it was carried out is unknown. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown'
}
