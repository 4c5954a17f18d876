/** A request that was not sent, or not sent again; `message` says why and names nobody. */
export class CallRejected extends Error {
  override readonly name = 'CallRejected'
  readonly retryAfterSeconds: number

  constructor(message: string, retryAfterSeconds: number) {
    super(message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** A request that was given up: whether it was carried out is unknown. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown'
}
