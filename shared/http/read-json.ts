import { visit } from 'jsonc-parser'
import type { FieldError } from '../domain/errors.ts'
import { isKeptExactly } from './exact-number.ts'
import { toPointer } from './pointer.ts'

/** `faults`: the text is JSON, and no contract allows what is in it. */
export type JsonReading =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'faults'; readonly errors: readonly FieldError[] }
  | { readonly kind: 'malformed'; readonly cause: unknown }

/** Reads a JSON text. A field that is given twice and a number that would be rounded are faults: readers would differ. */
export function readJson(text: string): JsonReading {
  const parsed = parse(text)
  if (parsed.kind === 'malformed') return parsed
  const detail = structuralError(parsed.value)
  if (detail !== undefined) return { kind: 'faults', errors: [{ pointer: '#', detail }] }
  // A value that makes the same text has lost nothing of it. So it is with most bodies, and much faster than the scan.
  const errors = JSON.stringify(parsed.value) === text ? [] : lossesIn(text)
  return errors.length > 0 ? { kind: 'faults', errors } : parsed
}

function parse(text: string): Exclude<JsonReading, { readonly kind: 'faults' }> {
  try {
    return { kind: 'value', value: JSON.parse(text) }
  } catch (cause) {
    return { kind: 'malformed', cause }
  }
}

// Twice what any contract allows: an error still gets its own pointer, and no recursion overflows the stack.
const DEPTH_MAX = 16

/** What no contract allows anywhere. Walks breadth-first: recursion would overflow the stack on a body of brackets. */
function structuralError(value: unknown): string | undefined {
  let level = [value]
  for (let depth = 0; level.length > 0; depth++) {
    const nodes = level.filter((node) => typeof node === 'object' && node !== null)
    if (nodes.some((node) => Object.hasOwn(node, '__proto__'))) return 'must not have a field `__proto__` anywhere'
    if (depth === DEPTH_MAX && nodes.length > 0) return `must be nested ${DEPTH_MAX} levels deep at most`
    level = nodes.flatMap((node): unknown[] => Object.values(node))
  }
  return undefined
}

const TWICE = 'is given more than once'
const ROUNDED =
  'must be a number that a 64-bit float holds exactly, a whole number up to 9,007,199,254,740,991: send it as text'

/** What `JSON.parse` drops from a text that it accepts. */
function lossesIn(text: string): FieldError[] {
  const losses: FieldError[] = []
  const fields: Set<string>[] = []
  const add = (path: readonly (string | number)[], detail: string) =>
    losses.push({ pointer: toPointer('#', path), detail })
  visit(text, {
    onObjectBegin: () => {
      fields.push(new Set())
    },
    onObjectEnd: () => {
      fields.pop()
    },
    onObjectProperty(name, _offset, _length, _line, _column, path) {
      const seen = fields.at(-1)
      if (seen?.has(name)) add([...path(), name], TWICE)
      seen?.add(name)
    },
    onLiteralValue(value, offset, length, _line, _column, path) {
      if (typeof value === 'number' && !isKeptExactly(text.slice(offset, offset + length))) add(path(), ROUNDED)
    },
  })
  return losses
}
