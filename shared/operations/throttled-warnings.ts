import type { Clock, Log } from '../ports/runtime.ts'

/** Warns about a lasting trouble. */
export type Warn = (message: string, fields: Parameters<Log>[2]) => void

const EVERY_MS = 10_000

/** Says each message at once, and then at most every ten seconds: an outage must not flood the log. */
export function throttledWarnings(log: Log, clock: Pick<Clock, 'monotonicMs'>): Warn {
  const saidAtMs = new Map<string, number>()
  return (message, fields) => {
    const nowMs = clock.monotonicMs()
    if (nowMs - (saidAtMs.get(message) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return
    saidAtMs.set(message, nowMs)
    log('warn', message, fields)
  }
}
