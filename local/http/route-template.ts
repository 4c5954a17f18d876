import { HostError } from '../errors.ts'
import { type Constraint, compileConstraint } from './route-constraints.ts'

/** One segment of a route template; `rest` is a catch-all parameter, which matches the remaining path. */
export type Segment =
  | { kind: 'literal'; text: string }
  | {
      kind: 'parameter' | 'rest'
      name: string
      constraints: Constraint[]
      optional: boolean
      defaultValue: string | undefined
    }

const PARAMETER = /^\{(\*{0,2})(\w+)((?::.+?)?)(?:=([^?]*?))?(\?)?\}$/
const CONSTRAINT = /:(\w+)(?:\((.*?)\)(?=$|:))?/gy

/**
 * Parses an ASP.NET Core route template: literals, `{id}`, `{id?}`, `{id=5}`, `{*rest}`, and constraints
 * (`{id:int:min(1)}`). Throws HostError for a malformed template, and for a segment that mixes a literal and a
 * parameter (`{name}.json`), which this host does not support.
 */
export function parseTemplate(template: string): Segment[] {
  const segments = splitOutsideBraces(template).map((text) => parseSegment(template, text))
  const names = segments.flatMap((segment) => (segment.kind === 'literal' ? [] : [segment.name.toLowerCase()]))
  if (new Set(names).size < names.length) throw new HostError(`The route "${template}" names a parameter twice.`)
  const rest = segments.findIndex((segment) => segment.kind === 'rest')
  if (rest !== -1 && rest < segments.length - 1) {
    throw new HostError(`The route "${template}" goes on after a parameter that takes the rest of the path.`)
  }
  return segments
}

/**
 * Matches the parts of a path and returns the parameters; undefined without a match. Literals are case-insensitive; an
 * optional parameter that the path omits is absent. Parts are decoded and never empty.
 */
export function matchTemplate(
  segments: readonly Segment[],
  parts: readonly string[],
): Record<string, string> | undefined {
  if (parts.length > segments.length && segments.at(-1)?.kind !== 'rest') return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of segments.entries()) {
    const part = segment.kind === 'rest' ? parts.slice(index).join('/') || undefined : parts[index]
    if (!matchSegment(segment, part, params)) return undefined
  }
  return params
}

/** Returns whether the part matches; adds the parameter to `params`. */
function matchSegment(segment: Segment, part: string | undefined, params: Record<string, string>): boolean {
  if (segment.kind === 'literal') return part?.toLowerCase() === segment.text
  const value = part ?? segment.defaultValue
  if (value === undefined) return segment.optional
  if (!segment.constraints.every((constraint) => constraint.accepts(value))) return false
  params[segment.name] = value
  return true
}

function splitOutsideBraces(template: string): string[] {
  const parts = ['']
  let depth = 0
  for (const character of template) {
    if (character === '{') depth++
    if (character === '}') depth--
    if (character === '/' && depth === 0) parts.push('')
    else parts[parts.length - 1] += character
  }
  if (depth !== 0) throw new HostError(`The braces of the route "${template}" do not match.`)
  return parts.filter((part) => part !== '')
}

function parseSegment(template: string, text: string): Segment {
  if (!/[{}]/.test(text)) return { kind: 'literal', text: text.toLowerCase() }
  const match = PARAMETER.exec(text)
  const name = match?.[2]
  if (!match || name === undefined) {
    throw new HostError(`"${text}" in the route "${template}" is not supported by the local host.`)
  }
  const [, stars, , constraints = '', defaultValue, questionMark] = match
  return {
    kind: stars ? 'rest' : 'parameter',
    name,
    constraints: parseConstraints(template, constraints),
    optional: questionMark !== undefined || stars !== '',
    defaultValue,
  }
}

function parseConstraints(template: string, text: string): Constraint[] {
  // A constraint escapes braces by doubling them.
  const plain = text.replaceAll('{{', '{').replaceAll('}}', '}')
  const matches = [...plain.matchAll(CONSTRAINT)]
  const length = matches.reduce((sum, match) => sum + match[0].length, 0)
  if (length < plain.length) throw new HostError(`The constraints "${plain}" in the route "${template}" are not valid.`)
  return matches.map(([, name = '', argument]) => compileConstraint(name, argument))
}
