export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical'

/** Writes one line about one thing that happened. */
export type Log = (level: LogLevel, message: string) => void
