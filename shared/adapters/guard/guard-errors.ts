/** A request that was not sent, or not sent again; `message` says why and names nobody. */
export class NotAsked extends Error {
  override readonly name = 'NotAsked'
  readonly retryAfterSeconds: number

  constructor(message: string, retryAfterSeconds: number) {
    super(message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** A request that was given up: whether it was carried out is unknown. */
export class NoReply extends Error {
  override readonly name = 'NoReply'
}
