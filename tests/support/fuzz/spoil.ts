import fc from 'fast-check'
import { standIns } from './stand-ins.ts'

/** Makes something wrong out of a JSON value, or of its text. Pure: the same value is spoilt in the same way. */
export type Spoil = (value: unknown) => unknown

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
  standIns.secret,
  `prefix ${standIns.secret}`,
  `${standIns.managerSecret}\n`,
  `${standIns.revokedSecret}.`,
)
const oddNumbers = [0, -0, -1, 1.5, 1e21, 1e308, -1e308, 2 ** 53, 2 ** 31, Number.MIN_VALUE]

/** Anything that is hardly ever right where it lands. */
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
const oddName = fc.constantFrom('__proto__', 'constructor', 'toString', '', '0', standIns.secret, 'is_admin', 'digest')

/** One change at a random place of a value: put something else there, take it away, add a field, repeat an item. */
export const spoilValue: fc.Arbitrary<Spoil> = fc.oneof(
  fc.tuple(fc.nat(), oddValue).map(
    ([at, odd]): Spoil =>
      (value) =>
        changeAt(value, at, () => odd),
  ),
  fc.nat().map(
    (at): Spoil =>
      (value) =>
        changeAt(value, at, () => undefined),
  ),
  fc.tuple(fc.nat(), oddName, oddValue).map(
    ([at, name, odd]): Spoil =>
      (value) =>
        addField(value, at, name, odd),
  ),
  fc.tuple(fc.nat(), fc.constantFrom(2, 60, 200)).map(
    ([at, times]): Spoil =>
      (value) =>
        repeatAt(value, at, times),
  ),
)

/** One change of a text that mostly leaves no JSON, or JSON that says a thing twice. */
export const spoilText: fc.Arbitrary<(text: string) => string> = fc.oneof(
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

/** The value with what `change` makes of the part at the path with that number; `undefined` takes it away. */
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
    // Not by assignment: that would set the prototype instead of making a field of that name.
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
