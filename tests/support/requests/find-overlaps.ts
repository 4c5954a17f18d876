import type { Segment } from '../../../local/http/route-template.ts'
import type { Route } from '../../../local/http/router.ts'

export type Overlap = { method: string; functions: [string, string]; templates: [string, string] }

/**
 * Returns the pairs of functions that could answer the same request. An empty result proves that there is none,
 * whatever the functions' names. Two templates overlap unless no path can match both: their lengths differ, or at some segment
 * two literals differ, a literal breaks the other's constraint, or two parameters' constraints allow no common length.
 */
export function findOverlaps(routes: readonly Route[]): Overlap[] {
  return routes.flatMap((a, index) =>
    routes
      .slice(index + 1)
      .flatMap((b) =>
        [...a.methods].filter((method) => b.methods.has(method) && templatesOverlap(a, b)).map(toOverlap(a, b)),
      ),
  )
}

function toOverlap(a: Route, b: Route) {
  return (method: string): Overlap => ({
    method,
    functions: [a.fn.name, b.fn.name],
    templates: [a.template, b.template],
  })
}

function templatesOverlap(a: Route, b: Route): boolean {
  return variants(a.segments).some((left) => variants(b.segments).some((right) => sequencesOverlap(left, right)))
}

/** The segments, with and without optional ones at the end. */
function variants(segments: readonly Segment[]): (readonly Segment[])[] {
  const last = segments.at(-1)
  const canEndHere = last !== undefined && last.kind !== 'literal' && (last.optional || last.defaultValue !== undefined)
  return canEndHere ? [segments, ...variants(segments.slice(0, -1))] : [segments]
}

function sequencesOverlap([a, ...restOfA]: readonly Segment[], [b, ...restOfB]: readonly Segment[]): boolean {
  if (a === undefined || b === undefined) return a === b
  if (a.kind === 'rest' || b.kind === 'rest') return true
  return segmentsOverlap(a, b) && sequencesOverlap(restOfA, restOfB)
}

function segmentsOverlap(a: Segment, b: Segment): boolean {
  if (a.kind === 'literal' && b.kind === 'literal') return a.text === b.text
  if (a.kind === 'literal') return acceptsLiteral(b, a.text)
  if (b.kind === 'literal') return acceptsLiteral(a, b.text)
  const [left, right] = [lengths(a), lengths(b)]
  return left.min <= right.max && right.min <= left.max
}

function acceptsLiteral(segment: Segment, text: string): boolean {
  if (segment.kind === 'literal') return false
  return [text, text.toUpperCase()].some((value) => segment.constraints.every(({ accepts }) => accepts(value)))
}

function lengths(segment: Segment): { min: number; max: number } {
  let [min, max] = [1, Number.POSITIVE_INFINITY]
  for (const { name, argument = '' } of segment.kind === 'literal' ? [] : segment.constraints) {
    const [first = 0, second = first] = argument.split(',').map(Number)
    if (name === 'minlength') min = Math.max(min, first)
    if (name === 'maxlength') max = Math.min(max, first)
    if (name === 'length') [min, max] = [Math.max(min, first), Math.min(max, second)]
  }
  return { min, max }
}
