import type { InvocationContext } from '@azure/functions'
import type { Log } from '../ports/runtime.ts'

const secrets: readonly (readonly [RegExp, string])[] = [
  [/permas_[a-z]{2,12}_\w{4,}/g, 'permas_[redacted]'],
  [/(Bearer\s+)[^\s"',]+/gi, '$1[redacted]'],
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, '[redacted]'],
  [/((?:sig|AccountKey|SharedAccessSignature)=)[^\s"'&;]+/gi, '$1[redacted]'],
]

/** Redacts whatever looks like a secret. Applied at the sink, so that no caller can forget it. */
export function redact(text: string): string {
  return secrets.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), text)
}

/** One JSON line per call, redacted, into the log of this invocation. */
export function invocationLog(context: Pick<InvocationContext, 'info' | 'warn' | 'error'>): Log {
  return (level, message, fields) => context[level](toLine(message, fields))
}

/** The same for work outside any invocation, such as a timer of the usage recorder. */
export const backgroundLog: Log = (level, message, fields) => {
  // biome-ignore lint/suspicious/noConsole: outside an invocation the worker forwards the console to the host's log.
  console[level](toLine(message, fields))
}

/** Describes a failure for the log, never for a caller: name and message of the error and of each of its causes. */
export function describeFailure(error: unknown): string {
  const parts: string[] = []
  for (
    let cause = error;
    cause !== undefined && parts.length < 5;
    cause = cause instanceof Error ? cause.cause : undefined
  ) {
    parts.push(cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause))
  }
  return parts.join(' <- ').slice(0, 2000)
}

function toLine(message: string, fields: Parameters<Log>[2]): string {
  return redact(JSON.stringify({ message, ...fields }))
}
