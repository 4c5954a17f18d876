/** A running trigger other than HTTP. */
export type Trigger = {
  /** Runs the function once, outside of its queue or schedule. */
  start: (input: string) => Promise<unknown>
  /** Begins nothing more; resolves when all that runs has ended. */
  stop: () => Promise<unknown>
}
