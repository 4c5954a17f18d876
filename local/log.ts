export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical'

/** Writes one line about one thing that happened. */
export type Log = (level: LogLevel, message: string) => void

const VERBOSE_ONLY = new Set<LogLevel>(['trace', 'debug'])
const WORTH_ATTENTION = new Set<LogLevel>(['warning', 'error', 'critical'])

/** Lines of time, level and message; `quiet` leaves only those from warning up, `verbose` adds debug and trace. */
export function createLog(options: { verbose: boolean; quiet: boolean }, write: (line: string) => void): Log {
  return (level, message) => {
    if (VERBOSE_ONLY.has(level) && !options.verbose) return
    if (!WORTH_ATTENTION.has(level) && options.quiet) return
    write(`${new Date().toISOString()} ${level} ${message}\n`)
  }
}
