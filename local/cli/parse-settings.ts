import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser'
import { HostError } from '../errors.ts'

export type Settings = Record<string, string>

const UTF16_MARKS = ['fffe', 'feff']

/**
 * Parses a file of settings: a JSON object of strings, in UTF-8. Throws HostError that names the line or the fields that
 * are wrong, and shows no value.
 */
export function parseSettings(file: string, bytes: Buffer): Settings {
  if (UTF16_MARKS.includes(bytes.subarray(0, 2).toString('hex')) || bytes.includes(0)) {
    throw new HostError(`${file} is not UTF-8 text (UTF-16, perhaps): save it as UTF-8.`)
  }
  const value = parseJson(file, bytes.toString().replace(/^\uFEFF/, ''))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HostError(`${file} must be a JSON object, { "NAME": "value" }; it holds ${kindOf(value)}.`)
  }
  const wrong = Object.entries(value).filter(([, item]) => typeof item !== 'string')
  if (wrong.length > 0) {
    const fields = wrong.map(([name, item]) => `${name} is ${kindOf(item)}`)
    throw new HostError(`${file}: ${fields.join(', ')}. Every value must be text in double quotes.`)
  }
  return value as Settings
}

function parseJson(file: string, text: string): unknown {
  const errors: ParseError[] = []
  const value: unknown = parse(text, errors, { disallowComments: true, allowTrailingComma: false })
  const [first] = errors
  if (first === undefined) return value
  const before = text.slice(0, first.offset)
  const line = before.split('\n').length
  const problem = /,\s*$/.test(before) ? 'a comma stands before a closing bracket' : describe(first)
  throw new HostError(
    `${file} is not JSON: line ${line}, column ${first.offset - before.lastIndexOf('\n')}: ${problem}.`,
  )
}

const PROBLEMS: Readonly<Record<string, string>> = {
  InvalidSymbol: 'text without double quotes',
  PropertyNameExpected: 'a name in double quotes is missing',
  ValueExpected: 'a value is missing',
  ColonExpected: 'a colon is missing',
  CommaExpected: 'a comma is missing',
  CloseBraceExpected: 'a closing brace is missing',
  CloseBracketExpected: 'a closing bracket is missing',
  EndOfFileExpected: 'more text follows the object',
  InvalidCommentToken: 'a comment is not allowed',
  UnexpectedEndOfString: 'a closing double quote is missing',
}

const describe = ({ error }: ParseError): string => PROBLEMS[printParseErrorCode(error)] ?? 'this is no JSON'

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
