/** A request that was not sent, or not retried. `message` says why, without naming the dependency. */
export class CallRejected extends Error {
  override readonly name = 'CallRejected'
  readonly retryAfterSeconds: number

  constructor(message: string, retryAfterSeconds: number) {
    super(message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** A request that was abandoned: whether it was carried out is unknown. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown'
}
