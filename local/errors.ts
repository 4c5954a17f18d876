/** A failure that its message explains in full: the command line prints the message, no stack, and exits with 1. */
export class HostError extends Error {
  override name = 'HostError'
}

/** Describes an unknown error in one line: its name, its message and the stack frame that threw it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error))
  const frame = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '))
  return oneLine(`${error.name}: ${error.message}${frame ? ` (${frame.trim()})` : ''}`)
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ')
}
