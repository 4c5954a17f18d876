/** One delivery of a queue message; the same message may be delivered again, to anyone. */
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
  /** Resolves once the queue has acknowledged; a rejection says nothing about whether the message arrived. Never expires. */
  send(body: string): Promise<void>
  /** At most 32, hidden from others for `hiddenSeconds`. Empty when there is none. */
  receive(limit: number, hiddenSeconds: number): Promise<readonly ReceivedMessage[]>
  /** Deletes this delivery's message; one that is gone, or delivered again since, is no error. */
  remove(message: ReceivedMessage): Promise<void>
  /** Approximate number of messages, hidden ones included. */
  depth(): Promise<number>
}
