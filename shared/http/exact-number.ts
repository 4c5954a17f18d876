/** Whether a number comes back with the digits that its JSON literal has. `1.50` is 1.5; the sign of zero does not count. */
export function isKeptExactly(literal: string): boolean {
  const kept = String(Number(literal))
  return kept === literal || digitsOf(kept) === digitsOf(literal)
}

/** Significant digits and exponent: one text for every way to write a number. */
function digitsOf(literal: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return whole === '' ? literal : '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}
