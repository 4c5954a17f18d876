/** A set of natural numbers, one bit each where they are dense: 4 KiB hold 32,768 numbers. */
export interface NumberSet {
  /** Returns whether the number is new. */
  add(number: number): boolean
  /** Undefined for an empty set. */
  lowest(): number | undefined
  /** The inclusive ranges that are missing from `first` up to the highest number, and at least to `end`, in order. */
  missingFrom(first: number, end?: number): Generator<{ readonly first: number; readonly last: number }>
}

const CHUNK_NUMBERS = 32_768

function* offsetsIn(bits: Uint8Array): Generator<number> {
  for (const [at, byte] of bits.entries()) {
    for (let bit = 0; byte >> bit > 0; bit++) if ((byte >> bit) & 1) yield at * 8 + bit
  }
}

/** An empty set. */
export function numberSet(): NumberSet {
  const chunks = new Map<number, Uint8Array>()

  function* numbers(): Generator<number> {
    for (const [chunk, bits] of [...chunks].sort(([a], [b]) => a - b)) {
      for (const offset of offsetsIn(bits)) yield chunk * CHUNK_NUMBERS + offset
    }
  }

  return {
    add: (number) => {
      const chunk = Math.floor(number / CHUNK_NUMBERS)
      const bits = chunks.get(chunk) ?? new Uint8Array(CHUNK_NUMBERS / 8)
      chunks.set(chunk, bits)
      const offset = number % CHUNK_NUMBERS
      const before = bits[offset >> 3] ?? 0
      const after = before | (1 << (offset & 7))
      bits[offset >> 3] = after
      return after !== before
    },
    lowest: () => numbers().next().value,
    *missingFrom(first, end = -1) {
      let expected = first
      for (const number of numbers()) {
        if (number > expected) yield { first: expected, last: number - 1 }
        if (number >= expected) expected = number + 1
      }
      if (end >= expected) yield { first: expected, last: end }
    },
  }
}
