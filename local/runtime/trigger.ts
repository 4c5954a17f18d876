/** A running trigger other than HTTP. */
export type Trigger = {
  /** Runs the function once, outside its queue or schedule. */
  start: (input: string) => Promise<unknown>
  /** Starts no further run; resolves when every run has ended. */
  stop: () => Promise<unknown>
}
