import fc from 'fast-check'
import { placeholders } from './placeholders.ts'

/** Mutates a JSON value into a mostly invalid one. Pure: the same value gives the same result. */
export type Mutation = (value: unknown) => unknown

const longText = fc.constantFrom(100, 1000, 70_000).map((length) => 'x'.repeat(length))
const deep = fc.constantFrom(9, 17, 100).map((levels) => nested(levels))
const oddTexts = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\n\r\t',
  '\u202eabc',
  '\ud800',
  '💥'.repeat(200),
  '../../etc/passwd',
  "' OR PartitionKey ne '",
  '%00',
  '{{7*7}}',
  '<script>',
  '=1+1',
  'constructor',
  '__proto__',
  'null',
  '1e999',
  '0',
  'permas_live_',
]
const secrets = fc.constantFrom(
  placeholders.secret,
  `prefix ${placeholders.secret}`,
  `${placeholders.managerSecret}\n`,
  `${placeholders.revokedSecret}.`,
)
const oddNumbers = [0, -0, -1, 1.5, 1e21, 1e308, -1e308, 2 ** 53, 2 ** 31, Number.MIN_VALUE]

/** A value that is rarely valid in any field. */
const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, [], {}, [[]], [null], ...oddNumbers, ...oddTexts),
  fc.jsonValue({ maxDepth: 2, stringUnit: 'grapheme' }),
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
  longText,
  deep,
  secrets,
)
export const oddText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...oddTexts),
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
  fc.constant('y'.repeat(300)),
  secrets,
)
const oddName = fc.constantFrom(
  '__proto__',
  'constructor',
  'toString',
  '',
  '0',
  placeholders.secret,
  'is_admin',
  'digest',
)

/** One mutation at a random place of a value: replaces it, removes it, adds a field, or repeats an item. */
export const mutateValue: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.nat(), oddValue).map(
    ([at, odd]): Mutation =>
      (value) =>
        changeAt(value, at, () => odd),
  ),
  fc.nat().map(
    (at): Mutation =>
      (value) =>
        changeAt(value, at, () => undefined),
  ),
  fc.tuple(fc.nat(), oddName, oddValue).map(
    ([at, name, odd]): Mutation =>
      (value) =>
        addField(value, at, name, odd),
  ),
  fc.tuple(fc.nat(), fc.constantFrom(2, 60, 200)).map(
    ([at, times]): Mutation =>
      (value) =>
        repeatAt(value, at, times),
  ),
)

/** One mutation of a text that mostly leaves invalid JSON, or JSON with a duplicate field. */
export const mutateText: fc.Arbitrary<(text: string) => string> = fc.oneof(
  fc.nat().map((at) => (text: string) => text.slice(0, at % (text.length + 1))),
  fc.tuple(fc.nat(), fc.constantFrom('\u0000', '\udcff', '\udcc0\udc80', '\\', '"', '}', '\ufeff', '1e9999', '//')).map(
    ([at, added]) =>
      (text: string) =>
        text.slice(0, at % (text.length + 1)) + added + text.slice(at % (text.length + 1)),
  ),
  fc.constant((text: string) => text.replace(/^\{("\w+":)/, '{$1null,$1')),
  fc.constant((text: string) => `${text}${text}`),
  fc.constant((text: string) => `\ufeff${text}`),
  fc.constant((text: string) => text.replace(/\d+/, '0123')),
  fc.constantFrom('[', '{"a":', '[{},').map((opening) => () => opening.repeat(12_000)),
)

type Path = readonly (string | number)[]

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return [path, ...entries.flatMap(([name, inner]) => pathsOf(inner, [...path, name]))]
}

/** Applies `change` to the part at the path of that index; `undefined` removes it. */
function changeAt(value: unknown, at: number, change: (part: unknown) => unknown): unknown {
  const paths = pathsOf(value)
  return changePath(value, paths[at % paths.length] ?? [], change)
}

function changePath(value: unknown, [name, ...rest]: Path, change: (part: unknown) => unknown): unknown {
  if (name === undefined) return change(value)
  if (Array.isArray(value)) return value.map((item, index) => (index === name ? changePath(item, rest, change) : item))
  const fields = Object.entries(Object(value))
  return Object.fromEntries(fields.map(([key, part]) => [key, key === name ? changePath(part, rest, change) : part]))
}

function addField(value: unknown, at: number, name: string, added: unknown): unknown {
  return changeAt(value, at, (part) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return added
    // Assignment would set the prototype instead of adding a field `__proto__`.
    return Object.fromEntries([...Object.entries(part), [name, added]])
  })
}

function repeatAt(value: unknown, at: number, times: number): unknown {
  return changeAt(value, at, (part) => (Array.isArray(part) ? Array.from({ length: times }, () => part[0]) : [part]))
}

function nested(levels: number): unknown {
  let value: unknown = []
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? { a: value } : [value]
  return value
}
