import * as z from 'zod'

/** `1 to 86,400`. */
export function rangeText(minimum: number, maximum: number): string {
  return `${minimum.toLocaleString('en-US')} to ${maximum.toLocaleString('en-US')}`
}

function wholeNumberText(minimum: number, maximum: number): string {
  return `must be a whole number from ${rangeText(minimum, maximum)}`
}

export function wholeNumber(minimum: number, maximum: number) {
  const text = wholeNumberText(minimum, maximum)
  return z.int(text).min(minimum, text).max(maximum, text)
}

/** A whole number in a query, in digits only. */
export function queryNumber(minimum: number, maximum: number) {
  const text = wholeNumberText(minimum, maximum)
  return z
    .string(text)
    .regex(/^\d{1,15}$/, text)
    .transform(Number)
    .pipe(wholeNumber(minimum, maximum))
}

export function oneOf<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, `must be ${alternatives(values)}`)
}

/** Text that a regular expression describes; `description` says it in words. */
export function matching(pattern: RegExp, description: string) {
  return z.string(`must be ${description}`).regex(pattern, `must be ${description}`)
}

/** Text of at most so many characters, perhaps none. */
export function shortText(maximum: number) {
  const text = `must be text of ${maximum.toLocaleString('en-US')} characters at most`
  return z.string(text).max(maximum, text)
}

export function listOf<Item extends z.ZodType>(item: Item, noun: string, maximum: number, minimum = 0) {
  const count =
    minimum === 0 ? `${maximum.toLocaleString('en-US')} ${noun} at most` : `${rangeText(minimum, maximum)} ${noun}`
  const error = `must be a list of ${count}`
  return z.array(item, error).min(minimum, { error, abort: true }).max(maximum, { error, abort: true })
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
}

/** The text of a fault for which a contract has none of its own. */
export function defaultText(issue: Pick<z.core.$ZodRawIssue, 'code'> & { readonly [field: string]: unknown }): string {
  if (issue.code === 'invalid_type') return `must be ${kinds[String(issue.expected)] ?? 'of another type'}`
  if (issue.code === 'invalid_value' && Array.isArray(issue.values)) return `must be ${alternatives(issue.values)}`
  return 'must have the form that docs/api.md gives'
}

/** The text of a fault: a contract's own text says what a value must be, and not that there is none. */
export function faultText(text: string, isMissing: boolean): string {
  if (!isMissing || text.startsWith('is missing')) return text
  return text.startsWith('must ') ? `is missing: it ${text}` : 'is missing'
}

function alternatives(values: readonly unknown[]): string {
  const quoted = values.map((value) => (typeof value === 'string' ? `\`${value}\`` : String(value)))
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}
