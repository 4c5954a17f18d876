import type { Clock, Log } from '../ports/runtime.ts'

/** Logs a warning about a lasting fault. */
export type Warn = (message: string, fields: Parameters<Log>[2]) => void

const INTERVAL_MS = 10_000

/** Logs each message at once, then at most once in 10 s: an outage must not flood the log. */
export function throttledWarnings(log: Log, clock: Pick<Clock, 'monotonicMs'>): Warn {
  const loggedAtMs = new Map<string, number>()
  return (message, fields) => {
    const nowMs = clock.monotonicMs()
    if (nowMs - (loggedAtMs.get(message) ?? Number.NEGATIVE_INFINITY) < INTERVAL_MS) return
    loggedAtMs.set(message, nowMs)
    log('warn', message, fields)
  }
}
