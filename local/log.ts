export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical'

/** Writes one line about one event. */
export type Log = (level: LogLevel, message: string) => void

const VERBOSE_ONLY = new Set<LogLevel>(['trace', 'debug'])
const WORTH_ATTENTION = new Set<LogLevel>(['warning', 'error', 'critical'])

/** Writes time, level and message. `quiet` drops levels below warning; `verbose` adds debug and trace. */
export function createLog(options: { verbose: boolean; quiet: boolean }, write: (line: string) => void): Log {
  return (level, message) => {
    if (VERBOSE_ONLY.has(level) && !options.verbose) return
    if (!WORTH_ATTENTION.has(level) && options.quiet) return
    write(`${new Date().toISOString()} ${level} ${message}\n`)
  }
}
