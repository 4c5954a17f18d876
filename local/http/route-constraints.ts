import { HostError } from '../errors.ts'

/** An inline constraint of an ASP.NET Core route parameter, such as `minlength(20)` in `{id:minlength(20)}`. */
export type Constraint = {
  name: string
  argument: string | undefined
  accepts: (value: string) => boolean
}

type Test = (value: string) => boolean

const INT32 = 2n ** 31n
const INT64 = 2n ** 63n
const GUID = /^(?:[0-9a-f]{32}|(\{|\()?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(\}|\))?)$/i

const PLAIN: Record<string, Test> = {
  int: (value) => isInteger(value, INT32),
  long: (value) => isInteger(value, INT64),
  bool: (value) => /^\s*(?:true|false)\s*$/i.test(value),
  guid: (value) => GUID.test(value.trim()),
  alpha: (value) => /^[a-z]*$/i.test(value),
  decimal: (value) => /^\s*[+-]?(?:\d[\d,]*\.?\d*|\.\d+)[+-]?\s*$/.test(value),
  double: isFloat,
  float: isFloat,
  // .NET parses more date formats than Date.parse does; both parse every ISO 8601 form.
  datetime: (value) => /\d/.test(value) && !Number.isNaN(Date.parse(value)),
  required: (value) => value !== '',
}

const WITH_ARGUMENT: Record<string, (argument: string) => Test> = {
  minlength: (argument) => lengthBetween(count(argument), Number.POSITIVE_INFINITY),
  maxlength: (argument) => lengthBetween(0, count(argument)),
  length: (argument) => {
    const [min, max = min] = argument.split(',').map(count)
    return lengthBetween(min ?? 0, max ?? 0)
  },
  min: (argument) => integerBetween(BigInt(argument), INT64),
  max: (argument) => integerBetween(-INT64, BigInt(argument)),
  range: (argument) => {
    const [min, max] = argument.split(',').map((bound) => BigInt(bound))
    if (min === undefined || max === undefined) throw new SyntaxError('two bounds are needed')
    return integerBetween(min, max)
  },
  // Not anchored and case-insensitive, as in ASP.NET Core.
  regex: (argument) => {
    const pattern = new RegExp(argument, 'i')
    return (value) => pattern.test(value)
  },
}

/** Throws HostError for a constraint that ASP.NET Core does not have, and for an invalid argument. */
export function compileConstraint(name: string, argument: string | undefined): Constraint {
  const key = name.toLowerCase()
  const plain = PLAIN[key]
  if (plain && argument === undefined) return { name: key, argument, accepts: plain }
  const text = argument === undefined ? name : `${name}(${argument})`
  const withArgument = WITH_ARGUMENT[key]
  if (!withArgument || argument === undefined) throw new HostError(`"${text}" is not a known route constraint.`)
  try {
    return { name: key, argument, accepts: withArgument(argument) }
  } catch (error) {
    throw new HostError(`The argument of the route constraint "${text}" is not valid.`, { cause: error })
  }
}

function isInteger(value: string, bound: bigint): boolean {
  if (!/^\s*[+-]?\d+\s*$/.test(value)) return false
  const number = BigInt(value.trim().replace('+', ''))
  return number >= -bound && number < bound
}

function isFloat(value: string): boolean {
  return /^\s*(?:[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?infinity|nan)\s*$/i.test(value)
}

function integerBetween(min: bigint, max: bigint): Test {
  return (value) => {
    if (!isInteger(value, INT64)) return false
    const number = BigInt(value.trim().replace('+', ''))
    return number >= min && number <= max
  }
}

function lengthBetween(min: number, max: number): Test {
  return (value) => value.length >= min && value.length <= max
}

function count(text: string): number {
  if (!/^\s*\d+\s*$/.test(text)) throw new SyntaxError('a whole number is needed')
  return Number(text)
}
