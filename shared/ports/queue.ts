/** One delivery of a queue message; the same message may be delivered again, to any consumer. */
export interface ReceivedMessage {
  readonly id: string
  readonly receipt: string
  readonly body: string
  /** How often this message was delivered, this time included. */
  readonly dequeueCount: number
  /** When the queue drops the message unread; null for never. */
  readonly expiresAt: Date | null
}

/** An at-least-once queue without order. Bodies are UTF-8 text of at most 48 KiB. */
export interface MessageQueue {
  /**
   * Resolves once the queue has acknowledged. After a rejection the message may have arrived. Messages never expire.
   * No consumer receives the message until `delaySeconds` (0, at most a day) have passed.
   */
  send(body: string, delaySeconds?: number): Promise<void>
  /** At most 32 messages, hidden from other consumers for `hiddenSeconds`. Empty when there is none. */
  receive(limit: number, hiddenSeconds: number): Promise<readonly ReceivedMessage[]>
  /** Deletes this delivery's message. No error if the message is gone, or was delivered again since. */
  remove(message: ReceivedMessage): Promise<void>
  /** Approximate number of messages, hidden ones included. */
  depth(): Promise<number>
}
