import { readJson } from './read-json.ts'

/**
 * One text for every way to write the same JSON: without blanks, fields in the order of their names. Lists keep their
 * order. A text that is not JSON is made canonical line by line, as NDJSON; a line that is not JSON stays as it is.
 */
export function canonicalJson(text: string): string {
  return (
    canonical(text) ??
    text
      .split('\n')
      .map((line) => canonical(line) ?? line)
      .join('\n')
  )
}

function canonical(text: string): string | undefined {
  const reading = readJson(text)
  return reading.kind === 'value' ? JSON.stringify(sorted(reading.value)) : undefined
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(fields.map(([name, field]) => [name, sorted(field)]))
}
