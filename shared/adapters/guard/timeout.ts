import { CallRejected, OutcomeUnknown } from './guard-errors.ts'

/** The deadline of a request. Time in which this process was stalled does not count. */
export interface Deadline {
  leftMs(): number
  /** Moves the deadline by the lateness of a timer. */
  postpone(lateMs: number): void
}

export function deadlineIn(ms: number): Deadline {
  let atMs = performance.now() + ms
  return {
    leftMs: () => atMs - performance.now(),
    postpone(lateMs) {
      atMs += lateMs
    },
  }
}

/** Timers of a healthy process are late by a few ms. */
const STALL_MS = 20

/**
 * Ends the wait after `timeoutMs`, whether or not `send` heeds its signal. A timer that fires late says that this process
 * was stalled, not the dependency: the wait goes on for that long, up to twice the timeout in all, and the deadline
 * moves. Throws `OutcomeUnknown`; throws `CallRejected` where the process was stalled for most of the wait.
 */
export async function withTimeout<T>(
  send: (signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
  deadline: Deadline,
): Promise<T> {
  const controller = new AbortController()
  const { promise: timeUp, reject } = Promise.withResolvers<never>()
  let lastChance: NodeJS.Immediate | undefined
  let timer: NodeJS.Timeout | undefined
  let stalledMs = 0

  const giveUp = () => {
    const error =
      stalledMs > timeoutMs
        ? new CallRejected('this process was too busy to read its reply', 1)
        : new OutcomeUnknown(`no reply within ${Math.round(timeoutMs)} ms`)
    reject(error)
    controller.abort(error)
  }
  const wait = (ms: number, extraMs: number) => {
    const dueAtMs = performance.now() + ms
    timer = setTimeout(() => {
      const lateMs = performance.now() - dueAtMs
      if (lateMs >= STALL_MS) {
        stalledMs += lateMs
        deadline.postpone(lateMs)
        if (extraMs > 0) return wait(Math.min(lateMs, extraMs), extraMs - lateMs)
      }
      // Timers run before I/O: the reply may be there, unread. Read it before giving up.
      lastChance = setImmediate(giveUp)
    }, ms)
  }

  wait(timeoutMs, timeoutMs)
  try {
    return await Promise.race([send(controller.signal), timeUp])
  } finally {
    clearTimeout(timer)
    clearImmediate(lastChance)
  }
}
