/** A failure that one sentence explains: the command line prints the sentence without a stack and exits with 1. */
export class HostError extends Error {
  override name = 'HostError'
}

/** One line about an unknown failure: its kind, its message and the place where it was thrown. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error))
  const place = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '))
  return oneLine(`${error.name}: ${error.message}${place ? ` (${place.trim()})` : ''}`)
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ')
}
